import { administered } from "./clients/client.ts";
import { certificateFindings } from "../security/doctor/certificate-findings.ts";
import { clusterFindings } from "../security/doctor/cluster-findings.ts";
import { fileFindings } from "../security/doctor/file-findings.ts";
import { type Finding, ordered } from "../security/doctor/finding.ts";
import { passwordFindings } from "../security/doctor/password-findings.ts";
import { namesPeers, settingFindings } from "../security/doctor/setting-findings.ts";
import { exposuresOf } from "../security/exposure.ts";
import { clientSettings, type Common } from "../settings/client-settings.ts";
import { ofOneNode } from "../cluster/cluster-plan.ts";
import { placed, readSettings } from "../settings/settings-file.ts";
import { table } from "../terminal/table.ts";

/** Finds what a file of settings leaves open. Throws `Failure` and `ConfigError`. */
async function fileOfSettings(file: string, now: number): Promise<Finding[]> {
  const given = placed(readSettings(file, []));
  const settings = ofOneNode(given);
  const exposures = await exposuresOf(settings);
  return [
    ...settingFindings(settings, { exposures, hasPeers: namesPeers(settings) }),
    ...passwordFindings(given),
    ...fileFindings(file, given),
    ...certificateFindings(settings, { exposures, now }),
  ];
}

/** `samsa doctor`. Returns the exit code, which is 1 if it finds something. */
export async function doctor(file: string | undefined, options: Common): Promise<number> {
  const now = Date.now();
  const found: Finding[] = file === undefined ? [] : await fileOfSettings(file, now);
  const { bootstrapServer, commandConfig, context } = options;
  if (file === undefined || [bootstrapServer, commandConfig, context].some(option => option !== undefined)) {
    const isTls = clientSettings(options).client.security?.tls !== undefined;
    await administered(options, async admin => {
      found.push(...(await clusterFindings(admin, { isTls, now })));
    });
  }
  const findings = ordered(found);
  if (options.json === true) console.log(JSON.stringify(findings));
  else if (findings.length === 0) console.log("Nothing is open.");
  else {
    const rows = findings.map(({ severity, subject, fault, remedy }) => [severity, `${subject}: ${fault}; ${remedy}`]);
    for (const line of table(rows)) console.log(line);
  }
  return findings.length === 0 ? 0 : 1;
}
