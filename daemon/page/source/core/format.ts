/** Numbers, times and names as people read them. */

export function signed(value: number): string {
  if (Math.abs(value) < 0.005) return "0.00";
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(minutes).padStart(hours ? 2 : 1, "0")}:${String(rest).padStart(2, "0")}`;
  return hours ? `${hours}:${tail}` : tail;
}

export function count(value: number): string {
  return value.toLocaleString("en");
}

export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${(bytes / 1024 ** step).toFixed(step > 1 ? 1 : 0)} ${units[step]}`;
}

export function when(iso: string | null | undefined): string {
  if (!iso) return "never";
  const time = new Date(iso);
  return Number.isNaN(time.getTime())
    ? iso
    : time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

/** A path with control characters and bidirectional marks made visible, so that none can pretend. */
export function visible(text: string): string {
  return text.replace(CONTROLS, (mark) => `\\u${mark.codePointAt(0)!.toString(16).padStart(4, "0")}`);
}

export function nameOf(path: string): string {
  return visible(path.slice(path.lastIndexOf("/") + 1));
}

export function folderOf(path: string): string {
  return visible(path.slice(0, path.lastIndexOf("/")) || "/");
}
