/** The bundles: what they learned from, what they were compared with, and which one is in service. */

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { api } from "../core/api";
import { counted, when } from "../core/format";
import { status } from "../core/live";
import { complain, tell } from "../core/messages";
import { revision } from "../core/state";
import type { BundleManifest, BundleRow, HeldOut } from "../core/types";
import { Confirm, Problem } from "../parts/controls";

type Asked = { what: "publish"; name: string } | { what: "roll back" };

export function Learning() {
  const bundles = useSignal<BundleRow[] | null>(null);
  const problem = useSignal<string | null>(null);
  const chosen = useSignal<string | null>(null);
  const asked = useSignal<Asked | null>(null);
  const load = async () => {
    try {
      const found = await api.bundles();
      bundles.value = found;
      problem.value = null;
      chosen.value ??= found.find((each) => each.in_service)?.name ?? found[0]?.name ?? null;
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  useSignalEffect(() => {
    void revision.value;
    void load();
  });
  const answer = async () => {
    const what = asked.value!;
    asked.value = null;
    try {
      const done = await (what.what === "publish" ? api.publish(what.name) : api.rollback());
      tell(`${done.name} is published; ${done.renewed}`);
    } catch (error) {
      complain(error);
    }
    await load();
  };
  const isUsed = !status.value || status.value.bundle !== null;
  const inService = bundles.value?.find((each) => each.in_service);
  return (
    <main class="learning">
      <h1>Learning</h1>
      <p class="lead">Every model is kept as a bundle. A new one is published by itself only if it predicts
        your annotations better than the one in service.</p>
      {problem.value && <Problem text={problem.value} onAgain={() => void load()} />}
      <div class="buttons">
        <button type="button" disabled={(bundles.value?.length ?? 0) < 2}
          onClick={() => (asked.value = { what: "roll back" })}>Roll back to the bundle before</button>
      </div>
      <div class="table" tabIndex={0} role="region" aria-label="Bundles">
        <table>
          <thead><tr><th>Bundle</th><th>Fitted</th><th>Compared</th><th>State</th></tr></thead>
          <tbody>
            {bundles.value?.map((each) => (
              <tr key={each.name} class={each.name === chosen.value ? "is-current" : ""}>
                <th scope="row">
                  <button type="button" class="is-link" aria-pressed={each.name === chosen.value}
                    onClick={() => (chosen.value = each.name)}>{each.name}</button>
                </th>
                <td>{when(each.created_at)}</td>
                <td>{each.problem ? <span class="problem">{each.problem}</span> : each.compared ?? "shipped, not compared"}</td>
                <td>{each.in_service ? <strong>{isUsed ? "in service" : "from the first start"}</strong> : !each.problem && (
                  <button type="button" aria-label={`Publish ${each.name}`}
                    onClick={() => (asked.value = { what: "publish", name: each.name })}>Publish</button>
                )}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {chosen.value && <Bundle key={chosen.value} name={chosen.value} />}
      {asked.value && (
        <Confirm title={asked.value.what === "publish" ? `Publish ${asked.value.name}?` : "Roll back?"}
          action={asked.value.what === "publish" ? "Publish" : "Roll back"}
          onYes={() => void answer()} onNo={() => (asked.value = null)}>
          <p>{inService?.name ?? "The bundle in service"} is replaced. Every sound gets new values from stored
            features, without being heard again, and tags are written anew. It can be rolled back.</p>
        </Confirm>
      )}
    </main>
  );
}

function Bundle({ name }: { name: string }) {
  const manifest = useSignal<BundleManifest | null>(null);
  const problem = useSignal<string | null>(null);
  useEffect(() => {
    api.bundle(name).then(
      (found) => (manifest.value = found), (error: Error) => (problem.value = error.message));
  }, [name]);
  if (problem.value) return <Problem text={problem.value} />;
  const found = manifest.value;
  if (!found) return <p class="hint">Loading {name} …</p>;
  return (
    <section aria-labelledby="bundle-heading">
      <h2 id="bundle-heading">{found.name}</h2>
      <p>{found.weakness}</p>
      {found.comparison && <Comparison of={found.comparison} />}
      <h3>Scores on sounds that were held out</h3>
      <Scores scores={found.held_out} level={found.interval_level} />
      <h3>Fitted on</h3>
      <ul class="plain">
        {found.fitted_on.map((each) => (
          <li key={each.corpus + each.domain}>{counted(each.clips, "clip")} of {each.corpus} ({each.domain}): {each.licence}</li>
        ))}
      </ul>
    </section>
  );
}

function Comparison({ of: compared }: { of: NonNullable<BundleManifest["comparison"]> }) {
  return (
    <>
      <h3>{compared.passed ? "Passed the test" : "Did not pass the test"}</h3>
      <p>{compared.verdict}</p>
      <p class="caption" id="compared-caption">Error (RMSE) on annotations that were held out; smaller is better</p>
      <div class="table" tabIndex={0} role="region" aria-label="Compared on your annotations">
        <table aria-describedby="compared-caption">
          <thead><tr><th>Value</th><th>Annotations</th><th>This bundle</th><th>{compared.yardstick}</th>
            <th>Always the mean</th><th>Verdict</th></tr></thead>
          <tbody>
            {compared.dimensions.map((each) => (
              <tr key={each.dimension}>
                <th scope="row">{each.dimension}</th>
                <td>{each.annotations}</td>
                <td>{number(each.rmse_candidate, 3)}</td>
                <td>{number(each.rmse_in_service, 3)}</td>
                <td>{number(each.rmse_constant, 3)}</td>
                <td>{each.verdict}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Scores({ scores, level }: { scores: HeldOut[]; level: number }) {
  return (
    <>
      <p class="caption" id="scores-caption">Rank correlation and R²: 1 is perfect, 0 no better than the mean.
        Intervals should cover {Math.round(level * 100)} %</p>
      <div class="table" tabIndex={0} role="region" aria-label="Held-out scores">
        <table aria-describedby="scores-caption">
          <thead><tr><th>Part</th><th>Value</th><th>Clips</th><th>Rank</th><th>R²</th><th>RMSE</th><th>Covered</th></tr></thead>
          <tbody>
            {scores.map((each) => (
              <tr key={each.part + each.dimension}>
                <th scope="row">{each.part}</th>
                <td>{each.dimension}</td>
                <td>{each.clips}</td>
                <td><Bar value={each.spearman.value} /></td>
                <td>{number(each.r2.value, 2)}</td>
                <td>{number(each.rmse.value, 2)}</td>
                <td>{Math.round(each.coverage * 100)} %</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Bar({ value }: { value: number | null }) {
  if (value === null) return <>–</>;
  return (
    <span class="bar">
      <svg viewBox="0 0 60 6" aria-hidden="true"><rect width="60" height="6" class="scale" />
        <rect width={Math.max(0, value) * 60} height="6" class="value" /></svg>
      {number(value, 2)}
    </span>
  );
}

function number(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
}
