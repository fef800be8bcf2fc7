/** The columns of all sounds that pass the filters. */

const MAGIC = 0x31504c56; // "VLP1", read as a little-endian number
const HEADER_BYTES = 8;
const FULL = 32767;

export interface Points {
  count: number;
  id: Uint32Array;
  /** Both in [-1, 1] times 32767. */
  arousal: Int16Array;
  valence: Int16Array;
  kind: Uint8Array;
  /** Times 50. */
  novelty: Uint8Array;
  folder: Uint16Array;
  format: Uint8Array;
  flags: Uint8Array;
}

export const ANNOTATED = 1;
export const KINDS = ["unknown", "music", "voice", "sound"] as const;

/**
 * Read the answer of `/points`.
 *
 * @throws Error - it is of another version, or cut off.
 */
export function decode(buffer: ArrayBuffer): Points {
  const header = new DataView(buffer);
  if (buffer.byteLength < HEADER_BYTES || header.getUint32(0, true) !== MAGIC) {
    throw new Error("The map's data is of another version. Load the page again.");
  }
  const count = header.getUint32(4, true);
  let offset = HEADER_BYTES;
  const column = <T>(
    Columns: { new (from: ArrayBuffer, at: number, length: number): T; BYTES_PER_ELEMENT: number },
  ): T => {
    const bytes = count * Columns.BYTES_PER_ELEMENT;
    if (offset + bytes > buffer.byteLength) throw new Error("The map's data was cut off.");
    const values = new Columns(buffer, offset, count);
    offset += Math.ceil(bytes / 8) * 8;
    return values;
  };
  return {
    count,
    id: column(Uint32Array),
    arousal: column(Int16Array),
    valence: column(Int16Array),
    kind: column(Uint8Array),
    novelty: column(Uint8Array),
    folder: column(Uint16Array),
    format: column(Uint8Array),
    flags: column(Uint8Array),
  };
}

export function affectOf(points: Points, at: number): [arousal: number, valence: number] {
  return [points.arousal[at]! / FULL, points.valence[at]! / FULL];
}

/** Move one point, if its annotation has changed; whether it has. */
export function place(
  points: Points, at: number, arousal: number, valence: number, isAnnotated: boolean,
): boolean {
  const [a, v] = [Math.round(arousal * FULL), Math.round(valence * FULL)];
  const flags = isAnnotated ? points.flags[at]! | ANNOTATED : points.flags[at]! & ~ANNOTATED;
  const isSame = Math.abs(points.arousal[at]! - a) <= 1 && Math.abs(points.valence[at]! - v) <= 1
    && points.flags[at] === flags;
  points.arousal[at] = a;
  points.valence[at] = v;
  points.flags[at] = flags;
  return !isSame;
}

export function positionOf(points: Points, id: number): number {
  return points.id.indexOf(id);
}

/** The point nearest to a place within a distance (in units of the plane), or -1. */
export function nearest(points: Points, arousal: number, valence: number, reach: number): number {
  const [a, v] = [arousal * FULL, valence * FULL];
  let least = (reach * FULL) ** 2;
  let found = -1;
  for (let at = 0; at < points.count; at++) {
    const across = points.arousal[at]! - a;
    const up = points.valence[at]! - v;
    const distance = across * across + up * up;
    if (distance < least) [least, found] = [distance, at];
  }
  return found;
}

export type Corner = readonly [arousal: number, valence: number];

/** Positions of the points inside a polygon. */
export function inside(points: Points, polygon: readonly Corner[]): Uint32Array {
  const xs = polygon.map(([arousal]) => arousal * FULL);
  const ys = polygon.map(([, valence]) => valence * FULL);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const found: number[] = [];
  for (let at = 0; at < points.count; at++) {
    const x = points.arousal[at]!;
    const y = points.valence[at]!;
    if (x < left || x > right || y < low || y > high) continue;
    let isInside = false;
    for (let one = 0, other = xs.length - 1; one < xs.length; other = one++) {
      const [y1, y2] = [ys[one]!, ys[other]!];
      if (y1 > y !== y2 > y && x < ((xs[other]! - xs[one]!) * (y - y1)) / (y2 - y1) + xs[one]!) {
        isInside = !isInside;
      }
    }
    if (isInside) found.push(at);
  }
  return Uint32Array.from(found);
}
