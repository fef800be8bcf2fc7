/** The current sound: what is known of it, and where people have placed it. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useId } from "preact/hooks";

import { annotate, current, withdraw } from "../core/details";
import { clock, folderOf, nameOf, signed, when } from "../core/format";
import { annotator, currentId } from "../core/state";
import type { Annotation, Sound } from "../core/types";
import { mode, placing } from "../map/map_state";
import { AffectSlider } from "../parts/controls";

export function SoundCard() {
  const details = current.value;
  if (currentId.value === null) {
    return <p class="hint card">Choose a sound, in the map or in the list, to hear and to place it.</p>;
  }
  if (!details) return <p class="hint card">Loading …</p>;
  const { sound, annotations } = details;
  return (
    <section class="card" aria-label="Current sound">
      <h2>{nameOf(details.path)}</h2>
      <p class="folder">{folderOf(details.path)}</p>
      {sound && <Facts sound={sound} />}
      {sound && <Correction sound={sound} annotations={annotations} />}
    </section>
  );
}

function Facts({ sound }: { sound: Sound }) {
  const kind = sound.kind && `${sound.kind} (${Math.round((sound.kind_probability ?? 0) * 100)} %)`;
  return (
    <dl class="facts">
      <Interval name="Arousal" value={sound.arousal} low={sound.arousal_low} high={sound.arousal_high} />
      <Interval name="Valence" value={sound.valence} low={sound.valence_low} high={sound.valence_high} />
      <div><dt>Mood</dt><dd>{sound.mood}</dd></div>
      {kind && <div><dt>Kind</dt><dd>{kind}</dd></div>}
      <div><dt>Novelty</dt>
        <dd>{sound.novelty.toFixed(2)}, {sound.novelty > 1
          ? "unlike what the model was fitted on" : "like what the model was fitted on"}</dd></div>
      <div><dt>Length</dt><dd>{clock(sound.duration_s)}</dd></div>
      <div><dt>Tags</dt><dd>{sound.tag_state}</dd></div>
      <div><dt>From</dt><dd>{sound.bundle === "annotation" ? "annotations" : sound.bundle}</dd></div>
    </dl>
  );
}

/** A value on its scale, with the interval that it lies in. */
function Interval({ name, value, low, high }: {
  name: string; value: number; low: number; high: number;
}) {
  const at = (place: number) => 50 + place * 50;
  return (
    <div class="interval">
      <dt>{name}</dt>
      <dd>
        <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
          <path d="M0 5H100M50 2V8" class="scale" />
          <path d={`M${at(low)} 5H${at(high)}`} class="reach" />
          <path d={`M${at(value)} 1V9`} class="value" />
        </svg>
        <span>{signed(value)}</span>
        <small>{signed(low)} to {signed(high)}</small>
      </dd>
    </div>
  );
}

function Correction({ sound, annotations }: { sound: Sound; annotations: Annotation[] }) {
  const draft = useSignal<[number, number]>([sound.arousal, sound.valence]);
  const isSaving = useSignal(false);
  const who = useId();
  const id = currentId.value!;
  useSignalEffect(() => {
    const now = current.value?.sound;
    if (now) draft.value = [now.arousal, now.valence];
    placing.value = null;
  });
  const set = (arousal: number, valence: number) => {
    draft.value = [arousal, valence];
    placing.value = draft.value;
  };
  const save = async () => {
    isSaving.value = true;
    await annotate(id, ...draft.value);
    isSaving.value = false;
    placing.value = null;
  };
  const [arousal, valence] = draft.value;
  const isPlacing = mode.value === "place";
  return (
    <details class="correction" open>
      <summary>Place it where it belongs</summary>
      <AffectSlider name="Arousal" low="calm" high="energetic" value={arousal}
        onInput={(value) => set(value, valence)} />
      <AffectSlider name="Valence" low="unpleasant" high="pleasant" value={valence}
        onInput={(value) => set(arousal, value)} />
      <div class="buttons">
        <button type="button" class="is-main" disabled={isSaving.value} onClick={() => void save()}>
          Save place
        </button>
        <button type="button" aria-pressed={isPlacing}
          onClick={() => (mode.value = isPlacing ? "move" : "place")}>
          {isPlacing ? "Click in the map …" : "Place by a click"}
        </button>
        <button type="button" disabled={!annotations.length} onClick={() => void withdraw(id)}>
          Undo
        </button>
      </div>
      <div class="field">
        <label for={who}>Your name</label>
        <input id={who} type="text" autocomplete="off" spellcheck={false} placeholder="as the service knows you"
          value={annotator.value} onInput={(event) => (annotator.value = event.currentTarget.value)} />
      </div>
      {annotations.length > 0 && (
        <ul class="annotations" aria-label="Annotations">
          {annotations.map((each) => (
            <li key={each.made_at + each.annotator}>
              <span>{value(each.arousal)} · {value(each.valence)}</span>
              <small>{each.annotator}, {when(each.made_at)}</small>
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}

function value(number: number | null): string {
  return number === null ? "–" : signed(number);
}
