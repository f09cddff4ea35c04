import { Errors } from "@samsa/protocol";
import { EPOCH_BUMP_VERSION, LAST_EPOCH, type ProducerClaim, type TxnImage, type WrittenState } from "./image.ts";

const { code: FENCED } = Errors.PRODUCER_FENCED;
const { code: WRONG_STATE } = Errors.INVALID_TXN_STATE;
const { code: BUSY } = Errors.CONCURRENT_TRANSACTIONS;
const { code: OTHER_PRODUCER } = Errors.INVALID_PRODUCER_ID_MAPPING;

/** "go": end the transaction; 0: it has already ended this way; else an error code. */
export type EndVerdict = "go" | number;

type Verdicts = Readonly<Record<WrittenState, { readonly commit: EndVerdict; readonly abort: EndVerdict }>>;

/** Verdicts for clients that keep their epoch (`TransactionCoordinator.endTransactionWithTV1`). */
const SAME_EPOCH: Verdicts = {
  Empty: { commit: WRONG_STATE, abort: WRONG_STATE },
  Ongoing: { commit: "go", abort: "go" },
  PrepareCommit: { commit: BUSY, abort: WRONG_STATE },
  PrepareAbort: { commit: WRONG_STATE, abort: BUSY },
  CompleteCommit: { commit: 0, abort: WRONG_STATE },
  CompleteAbort: { commit: WRONG_STATE, abort: 0 },
};

/** Verdicts for clients that get a new epoch with each end and send the current one (`endTransaction`). */
const CURRENT_EPOCH: Verdicts = {
  Empty: { commit: WRONG_STATE, abort: "go" },
  Ongoing: { commit: "go", abort: "go" },
  PrepareCommit: { commit: FENCED, abort: FENCED },
  PrepareAbort: { commit: FENCED, abort: FENCED },
  CompleteCommit: { commit: WRONG_STATE, abort: "go" },
  CompleteAbort: { commit: WRONG_STATE, abort: "go" },
};

/** Verdicts for such clients when they send the previous epoch: they retry a request whose response was lost. */
const REPEATED: Verdicts = {
  Empty: { commit: FENCED, abort: FENCED },
  Ongoing: { commit: FENCED, abort: FENCED },
  PrepareCommit: { commit: BUSY, abort: WRONG_STATE },
  PrepareAbort: { commit: WRONG_STATE, abort: BUSY },
  CompleteCommit: { commit: 0, abort: WRONG_STATE },
  CompleteAbort: { commit: WRONG_STATE, abort: 0 },
};

export interface EndRequest {
  readonly producer: ProducerClaim;
  readonly commit: boolean;
  readonly clientVersion: number;
}

function look(verdicts: Verdicts, state: WrittenState, commit: boolean): EndVerdict {
  return verdicts[state][commit ? "commit" : "abort"];
}

/** Decides a client's EndTxn. `isPending`: the record of another transition is being written. */
export function judgeEnd(image: TxnImage, isPending: boolean, request: EndRequest): EndVerdict {
  const { producer, commit, clientVersion } = request;
  const { state, epoch } = image;
  if (clientVersion < EPOCH_BUMP_VERSION) {
    if (producer.id !== image.producerId) return OTHER_PRODUCER;
    if (producer.epoch !== epoch) return FENCED;
    return isPending ? BUSY : look(SAME_EPOCH, state, commit);
  }
  // Check this first: the producer may already use a new id whose record is still being written.
  if (isPending) return BUSY;
  const isOverflow = producer.id === image.previousProducerId && producer.epoch === LAST_EPOCH && epoch === 0;
  if (producer.id !== image.producerId && !isOverflow) return OTHER_PRODUCER;
  if (producer.epoch === epoch - 1 || isOverflow) return look(REPEATED, state, commit);
  return producer.epoch === epoch ? look(CURRENT_EPOCH, state, commit) : FENCED;
}
