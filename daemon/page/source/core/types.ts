/** The documents of the JSON interface, as far as the page reads them; `/api/openapi.json` has all. */

export interface Sound {
  id: number;
  path: string;
  arousal: number;
  arousal_low: number;
  arousal_high: number;
  valence: number;
  valence_low: number;
  valence_high: number;
  mood: string;
  novelty: number;
  duration_s: number;
  bundle: string;
  analysed_at: string;
  tag_state: string;
  kind: string | null;
  kind_probability: number | null;
}

/** Some rows; `next` is the `after` of those that follow, null at the end. */
export interface SoundList {
  sounds: Sound[];
  next: number | null;
}

export interface CurvePoint {
  start_s: number;
  arousal: number;
  valence: number;
}

export interface Annotation {
  arousal: number | null;
  valence: number | null;
  annotator: string;
  made_at: string;
  source: string;
}

export interface Failure {
  id?: number;
  path: string;
  reason: string;
  attempts: number;
  retry_at: string | null;
}

/** All that the catalogue knows of one sound. */
export interface SoundDetails {
  path: string;
  sound: Sound | null;
  annotations: Annotation[];
}

export interface ReviewSound {
  id: number;
  path: string;
  arousal: number;
  valence: number;
  uncertainty?: number;
}

export interface BundleRow {
  name: string;
  in_service: boolean;
  created_at: string | null;
  problem: string | null;
  compared: string | null;
}

/** What a publication leads to: `renewed` says when values and tags change. */
export interface Published {
  name: string;
  renewed: string;
}

export interface DimensionCompared {
  dimension: string;
  annotations: number;
  rmse_in_service: number | null;
  rmse_candidate: number | null;
  rmse_constant: number | null;
  passed: boolean;
  verdict: string;
}

interface Score {
  value: number | null;
  low: number | null;
  high: number | null;
}

export interface HeldOut {
  part: string;
  dimension: string;
  clips: number;
  r2: Score;
  spearman: Score;
  rmse: Score;
  coverage: number;
}

export interface BundleManifest {
  name: string;
  created_at: string;
  fitted_on: { corpus: string; domain: string; clips: number; licence: string }[];
  held_out: HeldOut[];
  interval_level: number;
  weakness: string;
  comparison: {
    passed: boolean;
    verdict: string;
    yardstick: string;
    people: number | null;
    dimensions: DimensionCompared[];
  } | null;
}

interface ReasonCount {
  reason: string;
  count: number;
}

/** The state of the service, as `valenced status --format json` prints it. */
export interface Status {
  running: number | null;
  known: number;
  pending: number;
  failed: number;
  tags_pending: number;
  tags_given_up: number;
  degraded: string[];
  broken: string[];
  remedies?: string[];
  bundle: string | null;
  catalogue: string;
  folders: { path: string; watched_by: string; away: boolean; reconciled_at: string }[];
  files_per_hour: number;
  failures: ReasonCount[];
  untagged: ReasonCount[];
  paused: string | null;
  rescoring_left: number;
  annotations: number;
  training: { begun_at: string; outcome: string; reason: string } | null;
  jobs: { job: string; next_at: string }[];
  catalogue_bytes: number;
  free_bytes: number | null;
}
