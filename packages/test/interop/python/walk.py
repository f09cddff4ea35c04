"""What the walks of the Python clients share; src/walk.ts reads what they print."""
import json
import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
DEADLINE_S = 15


def say(**line):
    print(json.dumps(line), flush=True)


def told(error):
    return f"{type(error).__name__}: {error}"


def check(name, body, *args):
    """Tries one thing; what it raises is told."""
    try:
        body(*args)
        say(check=name, ok=True)
    except Exception as error:  # Whatever it is, it is what is to be told.
        say(check=name, ok=False, reason=told(error))


async def acheck(name, body):
    try:
        await body()
        say(check=name, ok=True)
    except Exception as error:
        say(check=name, ok=False, reason=told(error))


def equal(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what} is {found!r}, not {expected!r}")


def need(holds, what):
    if not holds:
        raise AssertionError(f"not so: {what}")


def refused(word, body, *args):
    """Passes when `body` raises something whose name or text has `word`."""
    try:
        body(*args)
    except Exception as error:
        if word.lower() in told(error).lower().replace("_", ""):
            return
        raise
    raise AssertionError(f"not refused with {word}")


def until(what, call, holds):
    """Calls until `holds` of the answer: what was done may take a moment to show."""
    end = time.monotonic() + DEADLINE_S
    while True:
        found = call()
        if holds(found):
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}, at last {found!r}")
        time.sleep(0.05)
