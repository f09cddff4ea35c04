/**
 * Looks up a setting of a listener, or of a mechanism of it: the more precise name precedes (KIP-103). Names of listeners
 * and mechanisms are in small letters there.
 */
export function listenerSetting(
  given: ReadonlyMap<string, string>,
  listener: string,
  name: string,
  mechanism?: string,
): string | undefined {
  const prefix = `listener.name.${listener.toLowerCase()}.`;
  const own = mechanism === undefined ? undefined : `${mechanism.toLowerCase()}.${name}`;
  const names = [...(own === undefined ? [] : [prefix + own, own]), prefix + name, name];
  return names.map(one => given.get(one)).find(value => value !== undefined);
}
