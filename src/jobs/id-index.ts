/** Sets of ids by a key, none of them empty. */
export type IDIndex = Map<string, Set<string>>;

export function index(map: IDIndex, key: string, id: string): void {
  const ids = map.get(key);
  if (ids) ids.add(id);
  else map.set(key, new Set([id]));
}

/** True when it was the last one of its key. */
export function unindex(map: IDIndex, key: string, id: string): boolean {
  const ids = map.get(key);
  if (!ids?.delete(id) || ids.size > 0) return false;
  return map.delete(key);
}
