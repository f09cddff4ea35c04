import { type Http, type HttpRequest, type HttpResponse, NetworkError } from "@samsa/base";
import type * as http from "node:http";
import type * as https from "node:https";
import { requiredModule } from "../modules/optional.ts";
import { connectionError, secureConnectOptions } from "./tls.ts";

/** Size of the largest response. */
const MAX_BYTES = 1 << 20;

function requestOptions(url: URL, { method, headers, tls }: HttpRequest): https.RequestOptions {
  const secure = tls === undefined || url.protocol !== "https:" ? {} : secureConnectOptions(url.hostname, tls);
  // Connections are not kept: a request is made every few minutes at the most.
  return { method, headers: { ...headers }, agent: false, ...secure };
}

function gathered(response: http.IncomingMessage): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BYTES) response.destroy(new NetworkError("EMSGSIZE", `the response exceeds ${MAX_BYTES} bytes`));
      else chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", () => {
      resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
    });
  });
}

function send(request: HttpRequest): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const url = new URL(request.url);
    // Loaded when needed: with TLS the two take megabytes, and most processes make no web request.
    const module = url.protocol === "https:" ? "node:https" : "node:http";
    const sent = requiredModule<typeof https>(module).request(url, requestOptions(url, request), response => {
      gathered(response).then(resolve, reject);
    });
    const timer = setTimeout(() => {
      const said = `${request.url} did not answer within ${request.timeoutMs / 1000} s`;
      sent.destroy(new NetworkError("ETIMEDOUT", said));
    }, request.timeoutMs);
    sent.on("error", reject);
    sent.on("close", () => clearTimeout(timer));
    sent.end(request.body);
  });
}

/** Web requests over Node. */
export function nodeHttp(): Http {
  return {
    async request(request) {
      try {
        return await send(request);
      } catch (error) {
        if (error instanceof NetworkError) throw error;
        throw connectionError(error instanceof Error ? error : new Error(String(error)));
      }
    },
  };
}
