import type { Apis, Infer } from "@samsa/protocol";

export type ProduceResponse = Infer<(typeof Apis)["Produce"]["response"]>;
