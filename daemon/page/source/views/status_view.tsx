/** What the service is doing, live; what is wrong with it, and what helps. */

import { useSignal, useSignalEffect } from "@preact/signals";

import { api } from "../core/api";
import { count, counted, size, visible, when } from "../core/format";
import { isConnected, status } from "../core/live";
import { complain, tell } from "../core/messages";
import { remedyOf } from "../core/remedies";
import type { Failure, Status } from "../core/types";
import { Problem } from "../parts/controls";

export function StatusView() {
  const now = status.value;
  return (
    <main class="status">
      <h1>Status</h1>
      <p class="lead" role="status">
        {isConnected.value ? "Live." : "Not connected: what you see may be old. Trying again …"}
      </p>
      {now ? <Report of={now} /> : <p class="hint">Loading …</p>}
      <Failures />
    </main>
  );
}

function room(now: Status): string {
  const held = size(now.catalogue_bytes);
  return now.free_bytes === null ? held : `${held}, ${size(now.free_bytes)} free`;
}

function Report({ of: now }: { of: Status }) {
  const total = now.known + now.pending;
  return (
    <>
      {now.running === null ? <NotRunning /> : now.degraded.length === 0 &&
        <p class="good">All promises are kept.</p>}
      {now.degraded.length > 0 && (
        <ul class="problems" aria-label="Promises that are not kept">
          {now.degraded.map((why, at) => (
            <li key={why}>
              <strong>{now.broken[at]}</strong>
              <p>{visible(why)}</p>
              <p class="remedy"><Coded text={now.remedies?.[at] ?? remedyOf(now.broken[at])} /></p>
            </li>
          ))}
        </ul>
      )}
      <dl class="figures">
        <Figure name="Service" value={now.running ? `process ${now.running}` : "not running"} />
        <Figure name="Known sounds" value={count(now.known)} />
        <Figure name="Waiting" value={count(now.pending)} />
        <Figure name="Failed" value={count(now.failed)} />
        <Figure name="Analysed in the last hour" value={count(now.files_per_hour)} />
        <Figure name="Tags waiting" value={count(now.tags_pending)} />
        <Figure name="Annotations" value={count(now.annotations)} />
        <Figure name="Bundle" value={now.bundle ?? "none used so far"} />
        <Figure name="Catalogue" value={room(now)} />
      </dl>
      {now.pending > 0 && (
        <label class="progress">
          {count(now.known)} of {count(total)} heard
          <progress max={total} value={now.known} />
        </label>
      )}
      {now.paused && <p>Paused: {now.paused}</p>}
      {now.rescoring_left > 0 && <p>{counted(now.rescoring_left, "prediction")} still to be renewed.</p>}
      {now.training && <p>Last training {when(now.training.begun_at)}: {now.training.outcome === "kept back" ? "not published" : now.training.outcome}: {now.training.reason}.</p>}
      <h2>Folders</h2>
      {now.folders.length === 0 ? <p>No folder has been watched.</p> :
      <div class="table" tabIndex={0} role="region" aria-label="Folders">
        <table>
          <thead><tr><th>Folder</th><th>Watched</th><th>Last compared</th></tr></thead>
          <tbody>
            {now.folders.map((each) => (
              <tr key={each.path}>
                <th scope="row" class="path">{visible(each.path)}</th>
                <td>{each.away ? <span class="problem">away</span> : each.watched_by === "nothing" ? "not watched" : each.watched_by}</td>
                <td>{when(each.reconciled_at)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>}
    </>
  );
}

/** Promises are those of a service: where none runs, none of them can be kept or broken. */
function NotRunning() {
  return (
    <p class="idle"><Coded text={"No service is running, so nothing new is heard, tagged or learned."
      + " To start it: `systemctl start valenced` where it is installed, or `valenced run`."} /></p>
  );
}

/** Text in which backticks surround what is typed at a terminal. */
function Coded({ text }: { text: string }) {
  return <>{text.split("`").map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part))}</>;
}

function Figure({ name, value }: { name: string; value: string }) {
  return <div><dt>{name}</dt><dd>{value}</dd></div>;
}

function Failures() {
  const found = useSignal<Failure[] | null>(null);
  const problem = useSignal<string | null>(null);
  const load = async () => {
    try {
      found.value = await api.failures();
      problem.value = null;
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  useSignalEffect(() => {
    void status.value?.failed;
    void load();
  });
  const retry = async (which: { ids: number[] } | { all: true }) => {
    try {
      await api.retry(which);
      tell("It is tried again now");
    } catch (error) {
      complain(error);
    }
    await load();
  };
  return (
    <section aria-labelledby="failures-heading">
      <h2 id="failures-heading">Failures</h2>
      {problem.value && <Problem text={problem.value} onAgain={() => void load()} />}
      {found.value?.length === 0 && <p>No file has failed.</p>}
      {!!found.value?.length && (
        <>
          <div class="buttons">
            <button type="button" onClick={() => void retry({ all: true })}>Try all again</button>
          </div>
          <div class="table" tabIndex={0} role="region" aria-label="Files that failed">
            <table>
              <thead><tr><th>File</th><th>Reason</th><th>Attempts</th><th>Next</th><th>Do</th></tr></thead>
              <tbody>
                {found.value.map((each) => (
                  <tr key={each.path}>
                    <th scope="row" class="path">{visible(each.path)}</th>
                    <td>{each.reason}</td>
                    <td>{each.attempts}</td>
                    <td>{each.retry_at ? when(each.retry_at) : "given up"}</td>
                    <td>{each.id !== undefined && (
                      <button type="button" aria-label={`Try again: ${visible(each.path)}`}
                        onClick={() => void retry({ ids: [each.id!] })}>Try again</button>
                    )}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}
