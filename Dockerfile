# Samsa as an image, for amd64 and arm64: docker buildx build --platform linux/amd64,linux/arm64 .
# It takes the environment of Kafka's image (apache/kafka); see docs/operations/containers.md.

FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY . .
RUN npm ci --no-audit --no-fund && npm run --silent image:root -- /image

# Only Node itself of its image: npm and yarn would take more room than Samsa.
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="samsa" \
      org.opencontainers.image.description="Apache Kafka, complete, in TypeScript" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /usr/local/bin/node /usr/local/bin/node
RUN useradd --uid 1000 --user-group --create-home --shell /bin/bash samsa
COPY --from=build --chown=1000:1000 /image/ /
USER 1000
# Metrics and health are for those who reach the container.
ENV SAMSA_HTTP_HOST=0.0.0.0 SAMSA_HTTP_PORT=9404
EXPOSE 9092 9404
VOLUME ["/var/lib/samsa", "/etc/kafka/secrets", "/mnt/shared/config"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["/usr/local/bin/node", "-e", "fetch('http://127.0.0.1:9404/health').then(a => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
CMD ["/etc/kafka/docker/run"]
