/** The map: all sounds in the plane of arousal and valence. */

import { useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { AxisNames, Axes } from "./axes";
import { moved, scaleOf, toScreen, within, zoomed, WHOLE, type Area, type Camera } from "./camera";
import { Cross, Placing } from "./cross";
import { listenTo } from "./gestures";
import { camera, chosen, clearLasso, colouring, dotRadius, drawing, mode, placing } from "./map_state";
import type { Colouring } from "./palette";
import { nearest, type Corner, type Points } from "./points";
import { Rings } from "./rings";
import { BORDER, Raster } from "./raster";
import { annotate, current, known, rowOf } from "../core/details";
import { nameOf, signed } from "../core/format";
import { play } from "../core/player";
import { currentId, hoveredId, lasso, points, pointsProblem, query } from "../core/state";
import type { Sound } from "../core/types";

const REACH_PIXELS = 12;
const MOST_PIXELS = 1_600_000;
const HOVER_MS = 60;
const STILL_MS = 150;

export function Plane() {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const area = useSignal<Area>({ width: 0, height: 0 });
  const hovered = useSignal<Sound | null>(null);
  const cursor = useSignal<Corner | null>(null);

  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      area.value = { width, height };
    });
    watcher.observe(box.current!);
    const stop = listenTo(box.current!, () => area.peek(), {
      grip: () => gripOf(current.peek()?.sound ?? null),
      hover: (place) => void (hoveredId.value = place && pointAt(place, area.peek())),
      click: (place) => clicked(place, area.peek()),
      placed: (place) => void placed(place),
    });
    return () => {
      watcher.disconnect();
      stop();
    };
  }, []);

  usePainting(canvas, area);

  useSignalEffect(() => {
    const id = hoveredId.value;
    hovered.value = id === null ? null : known(id) ?? null;
    if (id === null || hovered.peek()) return;
    const stop = new AbortController();
    const timer = setTimeout(() => {
      rowOf(id, stop.signal).then((row) => {
        if (hoveredId.peek() === id) hovered.value = row;
      }, () => undefined);
    }, HOVER_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  });

  const onKeyDown = (event: KeyboardEvent) => {
    if (pressed(event, area.peek(), cursor)) event.preventDefault();
  };
  return (
    <div ref={box} class={`plane is-${mode.value}`} tabIndex={0} role="application"
      aria-label="Map of sounds: calm to energetic across, unpleasant to pleasant upwards"
      aria-describedby="plane-keys" onKeyDown={onKeyDown} onBlur={() => (cursor.value = null)}>
      <canvas ref={canvas} class="points" />
      {area.value.width > 0 && <Overlay area={area.value} hovered={hovered.value}
        cursor={cursor.value} />}
      <AxisNames />
      <Note />
      <p id="plane-keys" class="for-readers">
        Arrow keys move a cursor, Enter plays the sound nearest to it, plus and minus zoom, 0 shows
        everything, Escape ends a selection. The list holds the same sounds.
      </p>
      <p class="for-readers" aria-live="polite">
        {cursor.value && hovered.value && spoken(hovered.value)}
      </p>
    </div>
  );
}

/** Why there is nothing to see. */
function Note() {
  const [all, problem] = [points.value, pointsProblem.value];
  if (all?.count && !problem) return null;
  const text = problem ?? (!all ? "Loading …" : query.value.size
    ? "No sound matches the filters." : "No sound yet. To analyse some: valenced scan DIR");
  return <p class="note" role="status">{text}</p>;
}

function spoken(sound: Sound): string {
  return `${nameOf(sound.path)}, arousal ${signed(sound.arousal)}, valence ${signed(sound.valence)}`;
}

function gripOf(sound: Sound | null): Corner | null {
  return sound && [sound.arousal, sound.valence];
}

/** What has been painted, and from where it was seen. */
interface Picture extends Area {
  all: Points;
  colours: Colouring;
  marks: Uint8Array | null;
  from: Camera;
}

/** Paint the points at the next frame whenever something has changed, and all once that stands still. */
function usePainting(canvas: RefObject<HTMLCanvasElement | null>, area: ReadonlySignal<Area>): void {
  const raster = useRef(new Raster());
  const frame = useRef(0);
  const last = useRef<Camera | null>(null);
  const picture = useRef<Picture | null>(null);
  useSignalEffect(() => {
    const [all, colours, marks] = [points.value, colouring.value, chosen.value];
    const [from, { width, height }] = [camera.value, area.value];
    if (!all || !colours || !width || !height) return;
    const show = (isMoving: boolean) => {
      const target = canvas.current;
      if (!target) return;
      const shift = isMoving && picture.current
        && shiftOf(picture.current, { all, colours, marks, from, width, height });
      target.style.transform = shift ? `translate(${shift[0]}px, ${shift[1]}px)` : "";
      if (shift) return;
      const ratio = Math.min(devicePixelRatio, Math.max(1, Math.sqrt(MOST_PIXELS / width / height)));
      dotRadius.value =
        raster.current.paint(target, all, colours, marks, from, { width, height }, ratio, isMoving);
      picture.current = { all, colours, marks, from, width, height };
      target.dataset.painted = String(all.count);
    };
    const isMoving = last.current !== null && last.current !== from;
    last.current = from;
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => show(isMoving));
    const timer = isMoving ? setTimeout(() => show(false), STILL_MS) : 0;
    return () => clearTimeout(timer);
  });
}

/** How far a picture has to be moved to show what is wanted; null if it does not show that at all. */
function shiftOf(picture: Picture, wanted: Picture): [across: number, down: number] | null {
  const { from, ...others } = wanted;
  const isOther = Object.entries(others).some(([name, value]) => picture[name as keyof Picture] !== value);
  if (isOther || from.half !== picture.from.half) return null;
  const area = { width: wanted.width, height: wanted.height };
  const [x, y] = toScreen(from, area, picture.from.arousal, picture.from.valence);
  const shift = [Math.round(x - area.width / 2), Math.round(y - area.height / 2)] as [number, number];
  return shift.every((each) => Math.abs(each) <= BORDER) ? shift : null;
}

function pointAt(place: Corner, area: Area, reach = REACH_PIXELS): number | null {
  const all = points.peek();
  const at = all ? nearest(all, ...place, reach / scaleOf(camera.peek(), area)) : -1;
  return at < 0 ? null : all!.id[at]!;
}

function clicked(place: Corner, area: Area): void {
  const id = pointAt(place, area);
  if (id !== null) play(id);
}

async function placed(place: Corner): Promise<void> {
  const id = currentId.peek();
  mode.value = "move";
  if (id !== null) {
    placing.value = place;
    await annotate(id, ...place);
  }
  placing.value = null;
}

const ARROWS: Record<string, Corner> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1],
};

/** Do what a key means; false if it means nothing here. */
function pressed(event: KeyboardEvent, area: Area, cursor: { value: Corner | null }): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const arrow = ARROWS[event.key];
  const middle = [area.width / 2, area.height / 2] as const;
  if (arrow) {
    const from = cursor.value ?? [camera.peek().arousal, camera.peek().valence];
    const step = camera.peek().half / (event.shiftKey ? 8 : 32);
    cursor.value = [within(from[0] + arrow[0] * step), within(from[1] + arrow[1] * step)];
    follow(cursor.value, area);
    hoveredId.value = pointAt(cursor.value, area, area.width);
  } else if (event.key === "+" || event.key === "=") {
    camera.value = zoomed(camera.peek(), area, 1.4, ...middle);
  } else if (event.key === "-") camera.value = zoomed(camera.peek(), area, 1 / 1.4, ...middle);
  else if (event.key === "0") camera.value = WHOLE;
  else if (event.key === "Enter" && hoveredId.peek() !== null) play(hoveredId.peek()!);
  else if (event.key === "Escape") {
    clearLasso();
    mode.value = "move";
  } else return false;
  return true;
}

/** Move the plane so that the cursor stays in sight. */
function follow(place: Corner, area: Area): void {
  const [x, y] = toScreen(camera.peek(), area, ...place);
  const margin = 30;
  const out = (at: number, most: number) => Math.min(0, at - margin) + Math.max(0, at - most + margin);
  const [across, down] = [out(x, area.width), out(y, area.height)];
  if (across || down) camera.value = moved(camera.peek(), area, -across, -down);
}

function Overlay({ area, hovered, cursor }: {
  area: Area; hovered: Sound | null; cursor: Corner | null;
}) {
  const from = camera.value;
  const sound = current.value?.sound ?? null;
  const corners = (lasso.value ?? drawing.value).map(([arousal, valence]) => toScreen(from, area, arousal, valence).join());
  return (
    <>
      <Axes camera={from} area={area} />
      <Rings area={area} />
      <svg class="overlay" width={area.width} height={area.height} aria-hidden="true">
        {corners.length > 1 && <polygon class="lasso" points={corners.join(" ")} />}
        {hovered && hovered.id !== currentId.value &&
          <Cross camera={from} area={area} sound={hovered} kind="is-hovered" />}
        {sound && <Cross camera={from} area={area} sound={sound} kind="is-current" />}
        {sound && placing.value &&
          <Placing camera={from} area={area} from={gripOf(sound)!} to={placing.value} />}
        {cursor && <Cursor at={toScreen(from, area, ...cursor)} />}
      </svg>
      {hovered && <Tip sound={hovered} area={area} />}
    </>
  );
}

function Cursor({ at: [x, y] }: { at: [number, number] }) {
  return <path class="cursor" d={`M${x - 10} ${y}h20M${x} ${y - 10}v20`} />;
}

function Tip({ sound, area }: { sound: Sound; area: Area }) {
  const [x, y] = toScreen(camera.value, area, sound.arousal, sound.valence);
  const across = x > area.width / 2 ? "is-left" : "is-right";
  return (
    <div class={`tip ${across}`} style={{ left: `${x}px`, top: `${Math.max(30, y)}px` }}>
      <strong>{nameOf(sound.path)}</strong>
      <span>
        arousal {signed(sound.arousal)} ({signed(sound.arousal_low)} to {signed(sound.arousal_high)})
      </span>
      <span>
        valence {signed(sound.valence)} ({signed(sound.valence_low)} to {signed(sound.valence_high)})
      </span>
    </div>
  );
}

