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
                document.getElementById(id)?.scrollIntoView();
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
