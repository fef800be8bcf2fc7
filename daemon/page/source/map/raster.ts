/**
 * Paints points as an image, where many lie on each other as density.
 *
 * Points are counted in cells of one pixel, and each cell keeps the colour of one of its points,
 * which every one of them is equally likely to be. Then every cell that is not empty gets a dot,
 * whose opacity grows with the logarithm of its count. Only the counting depends on the number of
 * points, so that a million take some milliseconds, with or without a graphics card. Where even that is
 * too slow to follow a moving hand, every second point is left out while it moves, or more.
 */

import { scaleOf, toScreen, type Area, type Camera } from "./camera";
import type { Colouring } from "./palette";
import type { Points } from "./points";

const FULL = 32767;
const MOST = 65535;

/** Radius of a dot and opacity of a single one, by how many points are in sight. */
const DOTS = [
  [3_000, 4, 0.8], [20_000, 2.8, 0.65], [80_000, 1.9, 0.5], [300_000, 1.2, 0.42], [Infinity, 0.6, 0.3],
] as const;

/** Units around the visible area that are painted, too, so that the picture can be moved for a while. */
export const BORDER = 128;
/** Pixels around the painted ones, for dots that reach into them. */
const MARGIN = 12;
/** What painting may take while a hand moves: half of the time from one frame to the next. */
const FRAME_MS = 16;
const FAINT = 0.25;
const GREY = 128;

interface Dot {
  /** Distance of each of its pixels from the middle one, in the order of the image. */
  offset: Int32Array;
  /** How much of the pixel it covers, of 256. */
  covered: Int32Array;
}

function dotOf(radius: number, width: number): Dot {
  const [offset, covered]: [number[], number[]] = [[], []];
  const reach = Math.min(MARGIN - 1, Math.ceil(radius));
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const share = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x, y)));
      if (share < 0.1) continue;
      offset.push(y * width + x);
      covered.push(Math.round(share * 256));
    }
  }
  return { offset: Int32Array.from(offset), covered: Int32Array.from(covered) };
}

export class Raster {
  #width = 0;
  #height = 0;
  #counts = new Uint16Array(0);
  #entries = new Uint8Array(0);
  #image = new ImageData(1, 1);
  #pixels = new Uint32Array(0);
  /** How long it took to paint all points, in milliseconds. */
  #wholeMs = 0;

  /**
   * Paint the points of an area and of a border around it, with `ratio` pixels for each of its units, onto a canvas.
   *
   * @param chosen - 1 for each point that is in the selection; null if all are
   * @param isMoving - whether there is time for some of the points only
   * @returns the radius of a dot, in units of the area
   */
  paint(
    target: HTMLCanvasElement, points: Points, colouring: Colouring, chosen: Uint8Array | null,
    camera: Camera, area: Area, ratio: number, isMoving: boolean,
  ): number {
    const began = performance.now();
    const step = isMoving ? Math.ceil(this.#wholeMs / FRAME_MS) || 1 : 1;
    const [width, height] = [area.width, area.height].map((side) =>
      Math.max(1, Math.round((side + 2 * BORDER) * ratio))) as [number, number];
    if (target.width !== width || target.height !== height) {
      [target.width, target.height] = [width, height];
    }
    this.#resize(width + 2 * MARGIN, height + 2 * MARGIN);
    const inSight = this.#count(points, colouring.index, chosen, camera, area, ratio, step);
    const [, radius, single] = DOTS.find(([most]) => inSight <= most)!;
    this.#draw(dotOf(radius * ratio, this.#width), single, coloursOf(colouring));
    target.getContext("2d")!.putImageData(this.#image, -MARGIN, -MARGIN);
    if (!isMoving) this.#wholeMs = performance.now() - began;
    return radius;
  }

  #resize(width: number, height: number): void {
    if (width === this.#width && height === this.#height) {
      this.#counts.fill(0);
      this.#pixels.fill(0);
      return;
    }
    [this.#width, this.#height] = [width, height];
    this.#counts = new Uint16Array(width * height);
    this.#entries = new Uint8Array(width * height);
    this.#image = new ImageData(width, height);
    this.#pixels = new Uint32Array(this.#image.data.buffer);
  }

  /** Count every so many points in each cell, and return about how many are in sight. */
  #count(
    points: Points, index: Uint8Array, chosen: Uint8Array | null, camera: Camera, area: Area,
    ratio: number, step: number,
  ): number {
    const { arousal, valence, count } = points;
    const [counts, entries, width] = [this.#counts, this.#entries, this.#width];
    const scale = (scaleOf(camera, area) / FULL) * ratio;
    const [left, top] = toScreen(camera, area, 0, 0).map((side) =>
      (side + BORDER) * ratio + MARGIN + 0.5) as [number, number];
    // The outermost pixels of the margin stay free for the dots of those further in.
    const [first, lastX, lastY] = [MARGIN / 2, width - MARGIN / 2, this.#height - MARGIN / 2];
    let inSight = 0;
    let chance = 1;
    for (let at = 0; at < count; at += step) {
      const x = left + arousal[at]! * scale;
      const y = top - valence[at]! * scale;
      if (x < first || x >= lastX || y < first || y >= lastY) continue;
      const cell = (y | 0) * width + (x | 0);
      inSight++;
      const many = counts[cell]! + 1;
      if (many <= MOST) counts[cell] = many;
      if (many > 1) {
        // xorshift: quick, and good enough for a fair choice.
        chance ^= chance << 13;
        chance ^= chance >>> 17;
        chance ^= chance << 5;
        if ((chance >>> 16) * many > 65536) continue;
      }
      entries[cell] = chosen !== null && chosen[at] === 0 ? OUTSIDE : index[at]!;
    }
    return inSight * step;
  }

  #draw({ offset, covered }: Dot, single: number, colours: Uint32Array): void {
    const [counts, entries, pixels] = [this.#counts, this.#entries, this.#pixels];
    const edge = (MARGIN / 2) * (this.#width + 1);
    let most = 1;
    for (let cell = 0; cell < counts.length; cell++) if (counts[cell]! > most) most = counts[cell]!;
    const opacity = opacities(most, single);
    for (let cell = edge; cell < counts.length - edge; cell++) {
      const many = counts[cell]!;
      if (many === 0) continue;
      const entry = entries[cell]!;
      const colour = colours[entry]!;
      const strength = entry === OUTSIDE ? opacity[many]! * FAINT : opacity[many]!;
      for (let one = 0; one < offset.length; one++) {
        const pixel = cell + offset[one]!;
        const alpha = (strength * covered[one]!) >> 8;
        if (alpha > pixels[pixel]! >>> 24) pixels[pixel] = colour | (alpha << 24);
      }
    }
  }
}

/** The entry of a cell whose point is not in the selection. */
const OUTSIDE = 255;

/** Red, green and blue of each entry, as a pixel that is transparent. */
function coloursOf(colouring: Colouring): Uint32Array {
  const colours = new Uint32Array(256);
  colouring.entries.forEach(({ colour: [red, green, blue] }, at) => {
    colours[at] = red | (green << 8) | (blue << 16);
  });
  colours[OUTSIDE] = GREY | (GREY << 8) | (GREY << 16);
  return colours;
}

/** The opacity, of 255, of a cell with as many points as the place in the array. */
function opacities(most: number, single: number): Uint8Array {
  return Uint8Array.from({ length: most + 1 }, (_, many) =>
    255 * (single + (1 - single) * (most > 1 ? Math.log(Math.max(many, 1)) / Math.log(most) : 0)));
}
