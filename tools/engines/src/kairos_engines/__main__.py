"""The command line: start engines until Ctrl-C, say which can be had, fetch them."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterable, Sequence

from .cache import cache
from .catalogue import KINDS, Off, provide, start
from .engine import Engine
from .sources import Missing

EPILOG = """\
KAIROS_TEST_<NAME>_URL, such as KAIROS_TEST_REDIS_CLUSTER_URL, names an engine of your own to use instead, or "off".
KAIROS_ENGINES_CACHE is the folder for what comes from package registries (.engines in the checkout); delete it freely.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser("python -m kairos_engines", description=__doc__, epilog=EPILOG)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(KINDS)}")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--list", action="store_true", help="say which can be had, and from where; fetch nothing"
    )
    what.add_argument(
        "--provide", action="store_true", help="fetch what the engines (all, if none is named) need"
    )
    parsed = parser.parse_args(arguments)
    if unknown := [name for name in parsed.names if name not in KINDS]:
        parser.error(f"no engine is called {', '.join(unknown)}: must be one of {', '.join(KINDS)}")
    if parsed.list or parsed.provide:
        return show(parsed.names or KINDS, fetch=parsed.provide)
    if not parsed.names:
        parser.error("name the engines to start, or say --list or --provide")
    return serve(parsed.names)


def show(names: Iterable[str], *, fetch: bool) -> int:
    """Print where each engine comes from; return 1 where one is wanted and missing."""
    missing = 0
    print(f"cache: {cache()}", flush=True)
    for name in names:
        begin = time.monotonic()
        try:
            program = provide(name, fetch=fetch)
        except Off as error:
            print(f"{name:16} off   {error}", flush=True)
        except Missing as error:
            missing += 1
            print(f"{name:16} -     {error}", flush=True)
        else:
            took = f" ({time.monotonic() - begin:.1f} s)" if fetch else ""
            print(f"{name:16} {program.version:9} {program.origin}{took}", flush=True)
    return int(fetch and missing > 0)


def serve(names: Sequence[str]) -> int:
    """Start engines, print their URLs, and keep them until Ctrl-C or SIGTERM."""
    running: list[Engine] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for name in names:
            running.append(start(name))
            engine = running[-1]
            print(f"{name} {engine.version}: {engine.url}", flush=True)
            for node in engine.nodes:
                print(f"    {node}, pid {node.pid}, {node.directory}", flush=True)
        print("Ctrl-C stops them", flush=True)
        while True:
            signal.pause()
    except Missing as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        for engine in running:
            engine.stop()


if __name__ == "__main__":
    sys.exit(main())
