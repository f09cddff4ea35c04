/** Broker process that can be stopped, killed and restarted on the same port and directory. */
export interface BrokerProcess {
  /** `host:port` of its listener. */
  readonly server: string;
  readonly directory: string;
  /** Shuts the broker down. Rejects if that fails. */
  stop(): Promise<void>;
  /** Kills the broker with SIGKILL. */
  kill(): Promise<void>;
  /** Restarts the broker after `stop` or `kill`. */
  start(): Promise<void>;
  /** Standard error of the broker, for the message of a failing test. */
  log(): string;
  /** Kills the broker if it runs, and removes its directory. */
  dispose(): Promise<void>;
}
