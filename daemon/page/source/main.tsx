/** The page: its head, the view that the address names, the player and the messages. */

import { effect } from "@preact/signals";
import { render } from "preact";

import "./style/base.css";
import "./style/map.css";
import "./style/views.css";
import { startDetails } from "./core/details";
import { count, counted } from "./core/format";
import { isConnected, startLive, status } from "./core/live";
import { dismiss, message } from "./core/messages";
import { startPlayer } from "./core/player";
import { addressOf, startState, view, VIEWS, type View } from "./core/state";
import { PlayerBar } from "./panels/player_bar";
import { startRows } from "./panels/rows";
import { Learning } from "./views/learning";
import { MapView } from "./views/map_view";
import { Review } from "./views/review";
import { StatusView } from "./views/status_view";

const NAMES: Record<View, string> = {
  map: "Map", review: "Review", learning: "Learning", status: "Status",
};

function Page() {
  const Shown = { map: MapView, review: Review, learning: Learning, status: StatusView }[view.value];
  return (
    <>
      <header class="head">
        <a class="brand" href={addressOf("map")}>valenced</a>
        <nav aria-label="Views">
          {VIEWS.map((each) => (
            <a key={each} href={addressOf(each)} aria-current={view.value === each ? "page" : undefined}>
              {NAMES[each]}
            </a>
          ))}
        </nav>
        <State />
      </header>
      <Shown />
      <PlayerBar />
      <Messages />
    </>
  );
}

function State() {
  const now = isConnected.value ? status.value : null;
  const problems = now?.degraded.length ?? 0;
  const text = !now ? "not connected"
    : problems ? counted(problems, "problem")
    : now.running === null ? "no service"
    : now.pending ? `${count(now.pending)} waiting` : "all well";
  const kind = problems ? "is-bad" : now && now.running !== null ? "is-good" : "";
  return (
    <a class={`state ${kind}`} href={addressOf("status")}>
      {text}
    </a>
  );
}

function Messages() {
  const now = message.value;
  return (
    <div class="messages" role="status" aria-live="polite">
      {now && (
        <div class={`message ${now.isProblem ? "is-problem" : ""}`}>
          <span>{now.text}</span>
          {now.undo && <button type="button" onClick={() => {
            dismiss();
            now.undo!();
          }}>Undo</button>}
          <button type="button" aria-label="Close" onClick={dismiss}>×</button>
        </div>
      )}
    </div>
  );
}

effect(() => {
  document.title = `${NAMES[view.value]} · valenced`;
});
startState();
startDetails();
startPlayer();
startRows();
startLive();
render(<Page />, document.querySelector("#page")!);
