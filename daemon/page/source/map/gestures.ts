/** Pointers and wheel over the plane, turned into what they mean. */

import { moved, toPlane, toScreen, within, zoomed, type Area } from "./camera";
import { camera, clearLasso, drawing, mode, placing } from "./map_state";
import type { Corner } from "./points";
import { lasso } from "../core/state";

const CLICK_PIXELS = 4;
const GRIP_PIXELS = 14;
const LASSO_PIXELS = 5;
const FEWEST_CORNERS = 3;
const MOST_CORNERS = 200;
const ZOOM_PER_PIXEL = 0.0016;

export interface Meaning {
  /** Where the current sound is; null if there is none in sight. */
  grip: () => Corner | null;
  hover: (place: Corner | null) => void;
  click: (place: Corner) => void;
  placed: (place: Corner) => void;
}

type Drag = "pan" | "lasso" | "grip" | "pinch";

/** Listen to an element until the returned function is called. */
export function listenTo(element: HTMLElement, area: () => Area, meaning: Meaning): () => void {
  const pointers = new Map<number, [x: number, y: number]>();
  let drag: Drag | null = null;
  let travelled = 0;

  const at = (event: MouseEvent): [number, number] => {
    const box = element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const placeOf = (event: MouseEvent): Corner => {
    const [arousal, valence] = toPlane(camera.peek(), area(), ...at(event));
    return [within(arousal), within(valence)];
  };

  function isOnGrip(x: number, y: number): boolean {
    const grip = meaning.grip();
    if (!grip) return false;
    const [left, top] = toScreen(camera.peek(), area(), ...grip);
    return Math.hypot(left - x, top - y) <= GRIP_PIXELS;
  }

  function down(event: PointerEvent): void {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    travelled = 0;
    if (pointers.size === 2) drag = "pinch";
    else if (mode.peek() === "lasso" || event.shiftKey) {
      drag = "lasso";
      clearLasso();
      drawing.value = [placeOf(event)];
    } else drag = isOnGrip(...at(event)) ? "grip" : "pan";
    meaning.hover(null);
  }

  function move(event: PointerEvent): void {
    const before = pointers.get(event.pointerId);
    const now = at(event);
    if (!before) {
      element.classList.toggle("is-on-grip", isOnGrip(...now));
      if (event.pointerType !== "touch") meaning.hover(placeOf(event));
      return;
    }
    const [across, down] = [now[0] - before[0], now[1] - before[1]];
    travelled += Math.hypot(across, down);
    if (drag === "lasso" && Math.hypot(across, down) < LASSO_PIXELS) return;
    if (drag === "pinch") pinch(event.pointerId, before, now);
    pointers.set(event.pointerId, now);
    if (drag === "pan") camera.value = moved(camera.peek(), area(), across, down);
    if (drag === "grip" && travelled > CLICK_PIXELS) placing.value = placeOf(event);
    if (drag === "lasso") drawing.value = [...drawing.peek(), placeOf(event)];
  }

  function pinch(moving: number, before: [number, number], now: [number, number]): void {
    const other = [...pointers].find(([id]) => id !== moving)?.[1];
    if (!other) return;
    const apart = (from: [number, number]) => Math.hypot(from[0] - other[0], from[1] - other[1]) || 1;
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2] as const;
    camera.value = zoomed(camera.peek(), area(), apart(now) / apart(before), ...middle);
    camera.value = moved(
      camera.peek(), area(), (now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  }

  function up(event: PointerEvent): void {
    if (!pointers.delete(event.pointerId)) return;
    const ended = drag;
    drag = pointers.size ? "pan" : null;
    const isClick = travelled <= CLICK_PIXELS && event.type === "pointerup";
    if (ended === "lasso") closeLasso();
    else if (ended === "grip" && !isClick && placing.peek()) meaning.placed(placing.peek()!);
    else if (isClick && mode.peek() === "place") meaning.placed(placeOf(event));
    else if (isClick && ended !== "pinch") meaning.click(placeOf(event));
    if (event.type === "pointercancel") placing.value = null;
  }

  function closeLasso(): void {
    const corners = drawing.peek();
    clearLasso();
    if (corners.length >= FEWEST_CORNERS) lasso.value = thinned(corners);
    mode.value = "move";
  }

  function wheel(event: WheelEvent): void {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1);
    const factor = Math.exp(-Math.max(-300, Math.min(300, pixels)) * ZOOM_PER_PIXEL);
    camera.value = zoomed(camera.peek(), area(), factor, ...at(event));
  }

  const leave = () => meaning.hover(null);
  element.addEventListener("pointerdown", down);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", up);
  element.addEventListener("pointercancel", up);
  element.addEventListener("pointerleave", leave);
  element.addEventListener("wheel", wheel, { passive: false });
  return () => {
    element.removeEventListener("pointerdown", down);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", up);
    element.removeEventListener("pointercancel", up);
    element.removeEventListener("pointerleave", leave);
    element.removeEventListener("wheel", wheel);
  };
}

/** A long line keeps its shape with fewer corners. */
function thinned(corners: Corner[]): Corner[] {
  const every = Math.ceil(corners.length / MOST_CORNERS);
  return corners.filter((_, at) => at % every === 0);
}
