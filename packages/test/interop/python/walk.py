"""Checks and JSON output shared by the walks of the Python clients; src/scoreboard/walk.ts reads them."""
import json
import sys
import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
DEADLINE_S = 15


def say(**line):
    print(json.dumps(line), flush=True)


def told(error):
    return f"{type(error).__name__}: {error}"


def check(name, body, *args):
    """Runs a check and prints its result; an exception is a failure."""
    try:
        body(*args)
        say(check=name, ok=True)
    except Exception as error:  # Report any exception as the reason.
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
    """Passes if `body` raises an exception whose name or text contains `word`."""
    try:
        body(*args)
    except Exception as error:
        if word.lower() in told(error).lower().replace("_", ""):
            return
        raise
    raise AssertionError(f"not refused with {word}")


def secured_settings(way, names):
    """Settings of a client for a way of connecting; `names` has the client's names of what the way may have."""
    sasl = "SASL_" if "mechanism" in way else ""
    values = {**way, "protocol": sasl + ("SSL" if way["tls"] else "PLAINTEXT")}
    return {name: values[key] for key, name in names.items() if key in values}


def secured_walk(exchange, refusal):
    """Tries the ways of the file that src/samsa-client/secured-cases.ts has written."""
    for way in json.load(open(sys.argv[1])):
        check(way["name"], refusal if "refused" in way else exchange, way)


def until(what, call, holds):
    """Repeats a call until `holds` accepts the answer, since changes may take a moment to be visible."""
    end = time.monotonic() + DEADLINE_S
    while True:
        found = call()
        if holds(found):
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}, at last {found!r}")
        time.sleep(0.05)
