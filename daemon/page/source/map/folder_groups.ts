/** A few folders that divide a library of many. */

interface Group {
  /** Ends with a slash. */
  path: string;
  count: number;
  members: number[];
}

/**
 * Divide folders into at most `most` groups by a folder above them, so that the largest is divided
 * first: artists of a library of albums, say, or the two disks of a library on two.
 *
 * @param names - paths that end with a slash
 * @param counts - how many sounds lie in each
 */
export function groupsOf(names: readonly string[], counts: Uint32Array, most: number): Group[] {
  const used = names.map((_, at) => at).filter((at) => counts[at]! > 0);
  let groups = used.length ? [groupOf("/", used, counts)] : [];
  for (;;) {
    const largest = groups.toSorted((one, other) => other.count - one.count);
    const divided = largest
      .map((group) => ({ group, parts: partsOf(group, names, counts) }))
      .find(({ parts }) => parts.length > 0 && groups.length - 1 + parts.length <= most);
    if (!divided) return largest;
    groups = [...groups.filter((group) => group !== divided.group), ...divided.parts];
  }
}

/** The groups one folder further down; none if the group is a single folder. */
function partsOf(group: Group, names: readonly string[], counts: Uint32Array): Group[] {
  const parts = new Map<string, number[]>();
  for (const at of group.members) {
    const path = below(names[at]!, group.path);
    const known = parts.get(path);
    if (known) known.push(at);
    else parts.set(path, [at]);
  }
  if (parts.size === 1 && parts.has(group.path)) return [];
  return [...parts].map(([path, members]) => groupOf(path, members, counts));
}

function groupOf(path: string, members: number[], counts: Uint32Array): Group {
  return { path, members, count: members.reduce((sum, at) => sum + counts[at]!, 0) };
}

/** The folder on the way to `path` that lies directly below `above`; `above` if there is none. */
export function below(path: string, above: string): string {
  const end = path.indexOf("/", above.length);
  return end < 0 ? above : path.slice(0, end + 1);
}
