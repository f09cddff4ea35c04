import type { TlsServerOptions } from "@samsa/base";
import type * as net from "node:net";
import type * as tls from "node:tls";
import { requiredModule } from "../modules/optional.ts";
import { secureListenOptions } from "./tls.ts";

/** Longest time of a handshake, in ms. */
const HANDSHAKE_MS = 30_000;
/** Most handshakes at a time; beyond it, the oldest is ended, since good clients need milliseconds. */
const HANDSHAKES = 1000;

/** Reasons of Node for a first frame that is not of TLS, to which it answers nothing. */
const NO_TLS: readonly unknown[] = ["ERR_SSL_HTTP_REQUEST", "ERR_SSL_WRONG_VERSION_NUMBER"];
/** Fatal alert of TLS 1.2, internal error, as Java answers in clear text: it tells clients that this port speaks TLS. */
const ALERT = Uint8Array.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50);

/** Events of a server that speaks TLS. */
interface TlsServerEvents {
  /** Called with a connection after its handshake. */
  readonly accepted: (socket: tls.TLSSocket) => void;
  /** Called with the reason why a handshake has failed. */
  readonly refused: (error: Error, socket: net.Socket) => void;
}

/** Server that speaks TLS. */
export interface TlsServer {
  readonly server: net.Server;
  /** See `Listener.secure`. */
  readonly secure: (options: TlsServerOptions) => void;
}

/** Address of a client, which its socket has before and after the handshake. */
function peerOf({ remoteAddress, remotePort }: net.Socket): string {
  return `${remoteAddress}:${remotePort}`;
}

/** Creates a server that speaks TLS. Throws `TlsError` if the options cannot be used. */
export function tlsServer(options: TlsServerOptions, highWaterMark: number, events: TlsServerEvents): TlsServer {
  const { createServer } = requiredModule<typeof tls>("node:tls");
  const server = createServer({
    ...secureListenOptions(options),
    highWaterMark,
    handshakeTimeout: HANDSHAKE_MS,
  });
  const handshakes = new Map<string, net.Socket>();
  server.on("connection", socket => {
    const peer = peerOf(socket);
    handshakes.set(peer, socket);
    socket.once("close", () => handshakes.delete(peer));
    const [oldest] = handshakes.values();
    if (handshakes.size > HANDSHAKES) oldest?.destroy();
  });
  server.on("secureConnection", socket => {
    handshakes.delete(peerOf(socket));
    // A certificate that is only wanted must be good all the same, as in Java.
    const isBad = !socket.authorized && socket.getPeerX509Certificate() !== undefined;
    if (isBad) {
      // Node has a code here, whatever its types say.
      const code = String(socket.authorizationError);
      events.refused(Object.assign(new Error("the certificate of the client is refused"), { code }), socket);
      socket.destroy();
    } else events.accepted(socket);
  });
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    const peer = peerOf(socket);
    if (NO_TLS.includes(error.code)) handshakes.get(peer)?.write(ALERT);
    handshakes.delete(peer);
    events.refused(error, socket);
    socket.destroy();
  });
  return {
    server,
    secure: changed => {
      server.setSecureContext(secureListenOptions(changed));
    },
  };
}
