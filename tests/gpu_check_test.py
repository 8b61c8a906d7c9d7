#!/usr/bin/env python3
"""gpu_check at its smallest, on whatever Vulkan device there is: every stage gives results, and all are right."""
import json
import pathlib
import subprocess
import sys
import tempfile

TESSERA = pathlib.Path(sys.argv[1])
CHECK = TESSERA.with_name("gpu_check")
STAGES = ["facts", "known_answers", "networks", "cases_fp32", "cases_fp16", "models_fp32", "models_fp16", "table_fp16",
          "table_fp32", "torch", "sweep_fp16", "sweep_fp32", "tilings"]


def main():
    if not CHECK.exists():
        print("skipped: gpu_check is not part of this build")
        return 77
    devices = json.loads(subprocess.run([TESSERA, "devices", "--json"], check=True, capture_output=True).stdout)
    if not devices["vulkan"]:
        print("skipped:", devices["vulkan_note"])
        return 77
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run([CHECK, "--tiny", "--out", folder, "--jobs", "2", "--side", "16", "--seconds",
                              "cases=10,models=15,table=15,sweep=5,torch=10"], capture_output=True, text=True,
                             timeout=900)
        print(ran.stdout, ran.stderr)
        assert ran.returncode == 0, ran.returncode
        lines = [json.loads(line) for line in (pathlib.Path(folder) / "gpu_check.jsonl").read_text().splitlines()]
    summaries = {line["stage"]: line for line in lines if line.get("summary")}
    assert list(summaries) == STAGES, list(summaries)
    for name, summary in summaries.items():
        assert summary["ok"] > 0, summary
        for bad in ("wrong", "failed", "crashed", "hung"):
            assert summary[bad] == 0, summary
    items = [line for line in lines if "result" in line]
    assert len(items) == sum(s["ok"] + s["cpu"] for s in summaries.values())
    peaks = next(line["peaks"] for line in items if "peaks" in line)
    assert peaks["fp32_gflops"] > 0 and peaks["memory_gb_per_s"] > 0, peaks
    rows = [line for line in items if line["stage"].startswith("table")]
    assert all(row["end_to_end_ms"] > 0 and row["operators"] for row in rows), rows
    return 0


sys.exit(main())
