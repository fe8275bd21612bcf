/** @file The sections as a line of links. They scroll and leave the address alone, which holds the controls. */

const titles = [
  ["adapt", "Adapt"],
  ["zero", "B = 0"],
  ["rank", "Rank"],
  ["forgetting", "Forgetting"],
  ["merging", "Merging"],
  ["bits", "Four bits"],
  ["memory", "Memory"],
  ["variants", "Variants"],
  ["counting", "Counting"],
  ["runs", "Runs"],
] as const;

/** Brings a section to the top, and the keyboard with it. */
function goTo(id: string): void {
  const section = document.getElementById(id);
  if (!section) return;
  section.tabIndex = -1;
  section.scrollIntoView();
  section.focus({ preventScroll: true });
}

/** For the keyboard: the way to the controls, which stand behind the whole story. */
export function ToControls() {
  return (
    <button
      type="button"
      class="plain to-controls"
      onClick={() => document.querySelector<HTMLElement>('[data-part="start"]')?.focus()}
    >
      To the controls
    </button>
  );
}

export function Contents() {
  return (
    <nav class="sections" aria-label="Sections">
      <ul>
        {titles.map(([id, title]) => (
          <li key={id}>
            <a
              href={`#${id}`}
              onClick={(event) => {
                event.preventDefault();
                goTo(id);
              }}
            >
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
