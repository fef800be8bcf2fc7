/** Which part of the plane is visible, and where each place of it is on the screen. */

export interface Camera {
  /** The place in the middle. */
  arousal: number;
  valence: number;
  /** Units of the plane in half of the shorter side. */
  half: number;
}

export interface Area {
  width: number;
  height: number;
}

export const WHOLE: Camera = { arousal: 0, valence: 0, half: 1.1 };
const CLOSEST = 0.004;
const FARTHEST = 1.6;

export function scaleOf(camera: Camera, area: Area): number {
  return Math.min(area.width, area.height) / 2 / camera.half;
}

export function toScreen(camera: Camera, area: Area, arousal: number, valence: number): [number, number] {
  const scale = scaleOf(camera, area);
  return [
    area.width / 2 + (arousal - camera.arousal) * scale,
    area.height / 2 - (valence - camera.valence) * scale,
  ];
}

export function toPlane(camera: Camera, area: Area, x: number, y: number): [number, number] {
  const scale = scaleOf(camera, area);
  return [
    camera.arousal + (x - area.width / 2) / scale,
    camera.valence - (y - area.height / 2) / scale,
  ];
}

export function within(value: number): number {
  return Math.max(-1, Math.min(1, value));
}

export function moved(camera: Camera, area: Area, across: number, down: number): Camera {
  const scale = scaleOf(camera, area);
  return {
    ...camera,
    arousal: within(camera.arousal - across / scale),
    valence: within(camera.valence + down / scale),
  };
}

/** Zoom by a factor (above 1: closer), so that the place under a pixel stays there. */
export function zoomed(camera: Camera, area: Area, factor: number, x: number, y: number): Camera {
  const half = Math.max(CLOSEST, Math.min(FARTHEST, camera.half / factor));
  const [arousal, valence] = toPlane(camera, area, x, y);
  const ratio = half / camera.half;
  return {
    half,
    arousal: within(arousal + (camera.arousal - arousal) * ratio),
    valence: within(valence + (camera.valence - valence) * ratio),
  };
}
