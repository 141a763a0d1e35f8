"""The kept benchmark results as the table of docs/speed.md: python -m benchmarks.table"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ganrepro.reporting.markdown import markdown
from ganrepro.store.files import replace_section

RESULTS = Path("benchmarks/results")


def rows(results: dict[str, dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """What, ours, theirs, ratio."""
    found = []
    for name, r in results.get("training_step", {}).get("results", {}).items():
        ours, theirs = r["seconds"]["ours"], r["seconds"]["reference"]
        share = r["arithmetic_share"]
        found.append((f"{name}, one step at batch 1", f"{ours:.2f} s", f"{theirs:.2f} s", f"**{r['ratio_median']:.2f}×**"))
        done = {side: f"{part:.0%}" for side, part in share.items()}
        found.append((f"{name}, counted work per second over the matrix-product rate", done["ours"], done["reference"], ""))
    if "data_path" in results:
        r = results["data_path"]["results"]
        rate = {side: f"{images:.0f} images/s" for side, images in r["images_per_second"].items()}
        found.append(("Data path, 256 × 256", rate["ours"], rate["reference"], f"**{r['ratio_median']:.0f}×**"))
    if "features" in results:
        r = results["features"]["results"]
        rate = {side: f"{images:.1f} images/s" for side, images in r["images_per_second"].items()}
        told = "From {0} + {0} PNG files to FID, reference torch-fidelity".format(results["features"]["settings"]["images"])
        found.append((told, *rate.values(), f"**{r['ratio_median']:.2f}×**"))
    if "sharing" in results:
        rates = {int(k): max(values) for k, values in results["sharing"]["results"]["steps_per_second"].items()}
        first = min(rates)
        for k in sorted(rates)[1:]:
            told = f"{k} trainings at once against {first} on all cores"
            found.append((told, f"{rates[k]:.1f} steps/s", f"{rates[first]:.1f} steps/s", f"**{rates[k] / rates[first]:.2f}×**"))
    if "resume" in results:
        r = results["resume"]["results"]
        bytes_told = "the same bytes" if r["survived"]["equal_bytes"] else "OTHER BYTES"
        found.append((f"{r['survived']['kills']} kills at random moments", bytes_told, "", ""))
        if "cost" in r:
            found.append(("Time spent on checkpoints, at most", f"{r['cost']['share']:.1%}", "", ""))
    return found


def steps(results: dict[str, dict[str, Any]]) -> str:
    """One step on every machine and in every precision that was measured: how many times as fast as the reference's float32, and
    the most memory that either held.
    """
    kept = {name: r for name, r in results.items() if name.startswith("training_step")}
    names = list(dict.fromkeys(name for r in kept.values() for name in r["results"]))
    times, memory = [], []
    for r in kept.values():
        cpu = ", ".join(filter(None, (r["machine"]["device_name"], r["machine"].get("instructions"))))
        head = [cpu, r["settings"]["precision"], r["machine"].get("allocator", "glibc")]
        found = [r["results"].get(name) for name in names]
        times.append(
            head + [f"{of['ratio_median']:.2f}× ({of['ratio_min']:.2f}–{of['ratio_max']:.2f})" if of else "–" for of in found]
        )
        held = [of.get("peak_bytes") if of else None for of in found]
        memory.append(head + [f"{of['ours'] / 1e9:.2f} of {of['reference'] / 1e9:.2f} GB" if of else "–" for of in held])
    told = ["precision", "allocator", *names]
    return (
        markdown(["One step, reference in float32", *told], times)
        + "\n\n"
        + markdown(["Most memory, ours of the reference's", *told], memory)
    )


def main() -> None:
    """Reads, renders, replaces."""
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    if not results:
        sys.exit(f"error: {RESULTS}: no results; run the benchmarks first")
    machines = {
        f"{r['machine']['device_name']}, {r['machine']['cores']} cores, torch {r['machine']['versions']['torch']}"
        for name, r in results.items()
        if not name.startswith("training_step_")  # which have a table of their own
    }
    table = markdown(["", "ours", "reference", "ratio"], rows(results))
    text = f"Measured on: {'; '.join(sorted(machines))}.\n\n{table}\n\n{steps(results)}"
    if not replace_section(Path("docs/speed.md"), "benchmarks", text):
        sys.exit("error: docs/speed.md has no section <!-- benchmarks -->")


if __name__ == "__main__":
    main()
