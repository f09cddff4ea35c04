import type { TlsServerOptions } from "@samsa/base";
import type * as net from "node:net";
import type * as tls from "node:tls";
import { requiredModule } from "../modules/optional.ts";
import { secureListenOptions } from "./tls.ts";

/** Longest time of a handshake, in ms. */
const HANDSHAKE_MS = 30_000;
/** Most handshakes at a time; beyond it, the oldest is ended, since good clients need milliseconds. */
const HANDSHAKES = 1000;

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
    pauseOnConnect: false,
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
  server.on("tlsClientError", (error, socket) => {
    handshakes.delete(peerOf(socket));
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
