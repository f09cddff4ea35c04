/**
 * DescribeConfigs: describes settings of resources.
 *
 * Version 2: Sends the response before the throttle time instead of after it (KIP-219).
 * Version 3: Adds types and documentation of settings.
 * Version 4: Flexible (KIP-482).
 */
import { message } from "../codec/message.ts";
import { array, bool, i16, i32, i8, type Infer, string } from "../codec/schema.ts";

export const describeConfigsRequest = message(
  "DescribeConfigsRequest",
  { versions: [1, 4], flexible: 4 },
  {
    resources: array({
      resourceType: i8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullable: true }),
    }),
    includeSynonyms: bool({ default: false }),
    includeDocumentation: bool({ since: 3, default: false }),
  },
);
export type DescribeConfigsRequest = Infer<typeof describeConfigsRequest>;

export const describeConfigsResponse = message(
  "DescribeConfigsResponse",
  { versions: [1, 4], flexible: 4 },
  {
    throttleTimeMs: i32(),
    results: array({
      errorCode: i16(),
      errorMessage: string({ nullable: true }),
      resourceType: i8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: true }),
        readOnly: bool(),
        configSource: i8({ default: -1, ignorable: true }),
        isSensitive: bool(),
        synonyms: array(
          {
            name: string(),
            value: string({ nullable: true }),
            source: i8(),
          },
          { ignorable: true },
        ),
        configType: i8({ since: 3, default: 0, ignorable: true }),
        documentation: string({ since: 3, nullable: true, ignorable: true }),
      }),
    }),
  },
);
export type DescribeConfigsResponse = Infer<typeof describeConfigsResponse>;
