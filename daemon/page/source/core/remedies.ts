/** What to do where a promise of the service is not kept; `docs/reference.md` lists the promises. */

const REMEDIES: Record<string, string> = {
  settings: "Correct the settings file (`valenced config show` names what is wrong), then reload: kill -HUP, or systemctl reload valenced.",
  folders: "Mount or create the folder, or take it out of the settings. Polled for too few watches: raise fs.inotify.max_user_watches. Closed by the unit: run `valenced install` again.",
  comparing: "Look whether the disk of the folder answers. If it does, restart the service.",
  work: "Restart the service. If it stalls again, `valenced check` says what holds it up.",
  tags: "Mend what the reason names (room, rights, locks), then `valenced retry`. For a rescue copy: `valenced tags show FILE` says where it lies.",
  bundle: "Publish another bundle under Learning, or roll back. The one before stays in service meanwhile.",
  learning: "Read the reason under Learning. `valenced train` tries again now.",
  room: "Free some space on the disk of the catalogue, or move the catalogue (catalogue.url).",
  catalogue: "Look at the disk and the rights of the catalogue, then restart the service.",
  loop: "Restart the service: systemctl restart valenced.",
};

export function remedyOf(promise: string | undefined): string {
  return REMEDIES[promise ?? ""] ?? "`valenced check` says what is wrong with this machine.";
}
