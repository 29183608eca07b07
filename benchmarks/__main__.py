"""
Starts each peer on loopback, gives all of them the same work in turn, and writes a table and a picture::

    python -m benchmarks                              the whole table, into docs/: half an hour
    sudo .venv/bin/python -m benchmarks               the same, in a network of its own: see benchmarks/network.py
    python -m benchmarks --quick                      less of everything, printed only
    python -m benchmarks --quick --only download --peer filesvc --peer tuned
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.network import leave_the_hosts
from benchmarks.peers import PEERS, shares
from benchmarks.race import race
from benchmarks.report import Results, markdown
from benchmarks.work import QUICK, WORK, Scale, Site, prepare

RACE = "race"
_DOCS = Path(__file__).parent.parent / "docs"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="filesvc beside other SMB servers")
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=int, help="how often each peer gets each piece of work (5; quick: 3)")
    parser.add_argument("--only", action="append", choices=[*(work.key for work in WORK), RACE], help="this work only; can be repeated")
    parser.add_argument("--peer", action="append", choices=list(PEERS), help="this peer only; can be repeated")
    parser.add_argument("--docs", type=Path, help="where the table and the picture go (docs/; quick: nowhere)")
    parser.add_argument("--folder", type=Path, help="where the files are served from (the system's temporary folder)")
    return parser.parse_args()


def _start(key: str, root: Path, scale: Scale, stack: ExitStack) -> Site:
    own = root / "own" / key
    own.mkdir(parents=True)
    server = PEERS[key](root / "server" / key, shares(root / "data", own))
    server.start()
    stack.callback(server.kill)
    return Site(server, root / "data", own, root / "local", scale, slow=key == "impacket")


def _keep(results: Results, rounds: int, docs: Path | None) -> None:
    """Write what there is."""
    if docs is not None:
        # Only here: nothing else needs matplotlib.
        from benchmarks.picture import draw

        (docs / "benchmarks.md").write_text(f"# Benchmarks\n\n![benchmarks](benchmarks.svg)\n\n{markdown(results, rounds)}")
        draw(results, docs)


def main() -> None:
    arguments = _arguments()
    scale = QUICK if arguments.quick else Scale()
    rounds = arguments.rounds or (3 if arguments.quick else 5)
    docs = arguments.docs or (None if arguments.quick else _DOCS)
    wanted = arguments.only or [*(work.key for work in WORK), RACE]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    leave_the_hosts()
    root = Path(tempfile.mkdtemp(prefix="filesvc-benchmarks-", dir=arguments.folder))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        (root / "data").mkdir()
        (root / "local").mkdir()
        prepare(root / "data", root / "local", scale)
        sites = {key: _start(key, root, scale, stack) for key in arguments.peer or PEERS}
        results = Results()
        for number in range(rounds):
            # Whoever is first finds less in memory.
            first = number % len(sites)
            order = [*sites][first:] + [*sites][:first]
            for work in [work for work in WORK if work.key in wanted and not (work.once and number)]:
                for key in order:
                    if key in work.without or (work.key, key) in results.failed or (sites[key].slow and number):
                        continue
                    print(f"round {number + 1} of {rounds}: {work.title}, {PEERS[key].name}", file=sys.stderr)
                    try:
                        results.measured[work.key, key].append(work.run(sites[key]))
                    except (RuntimeError, subprocess.SubprocessError) as error:
                        print(error, file=sys.stderr)
                        results.failed.add((work.key, key))
            _keep(results, number + 1, docs)
        if RACE in wanted:
            for key in [key for key in sites if key != "impacket"]:
                results.races[key] = race(sites[key].server, root / "data", 1000 if arguments.quick else 10_000)
            _keep(results, rounds, docs)
    print(markdown(results, rounds))


if __name__ == "__main__":
    main()
