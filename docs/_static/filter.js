// The tables of claims can be filtered by a word and by a verdict. Without scripts the page reads as it is.
(function () {
  if (!/reports\/claims\.html$/.test(location.pathname)) return;
  // those of the papers; each study has a table of its own below, with a column of verdicts
  const tables = [...document.querySelectorAll(".bd-article table")].filter(
    (table) => !/Verdict/.test(table.tHead.textContent),
  );
  if (!tables.length) return;
  const rows = tables.flatMap((table) => [...table.querySelectorAll("tbody tr")]);
  const box = document.createElement("p");
  box.innerHTML =
    '<label>Claims with <input type="search" placeholder="a word"></label> ' +
    '<label>and a verdict <select><option value="">of any kind</option><option>✓</option><option>✗</option>' +
    "<option>≈</option><option>·</option><option>–</option></select></label> <output></output>";
  tables[0].before(box);
  const [word, verdict, shown] = ["input", "select", "output"].map((name) => box.querySelector(name));
  function filter() {
    let count = 0;
    for (const row of rows) {
      const [claim, ...studies] = [...row.cells].map((cell) => cell.textContent.trim());
      const fits = claim.toLowerCase().includes(word.value.trim().toLowerCase());
      const told = !verdict.value || studies.some((said) => said.startsWith(verdict.value));
      row.hidden = !(fits && told);
      count += fits && told;
    }
    shown.textContent = count + " of " + rows.length;
  }
  word.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  filter();
})();
