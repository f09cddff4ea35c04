import type { ErrorName } from "@samsa/protocol";

/** Error of invalid settings of a resource. */
export interface ConfigFault {
  readonly error: ErrorName;
  readonly message: string;
}

/** Rules of settings, which are declared outside of the controller. */
export interface ConfigRules {
  /** Validates all settings that a resource would have; undefined if they are valid. */
  validate(resourceType: number, resourceName: string, values: ReadonlyMap<string, string>): ConfigFault | undefined;
  /** True if the setting is a list, to which APPEND and SUBTRACT apply. */
  isList(resourceType: number, key: string): boolean;
  /** Value of an unset list before APPEND or SUBTRACT. */
  initial(resourceType: number, key: string): string | null;
}
