"""Commands and JSON lines shared by the scripts of the Python clients."""
import json
import sys
import threading

PAD = "samsa" * 20
PACE_S = 0.002


def tell(partition, offset, **more):
    print(json.dumps({"partition": partition, "offset": offset, **more}), flush=True)


def text(data):
    return None if data is None else data.decode()


def tell_record(partition, offset, record):
    key, value, headers = record
    tell(partition, offset, key=text(key), value=text(value), headers={name: text(data) for name, data in headers or []})


def encoded(draft):
    """Partition or None, key, value, headers."""
    key, value = draft["key"], draft["value"]
    return (
        draft.get("partition"),
        None if key is None else key.encode(),
        None if value is None else value.encode(),
        [(name, data.encode()) for name, data in draft["headers"].items()],
    )


def drafts():
    return [encoded(json.loads(line)) for line in sys.stdin if line.strip()]


def values():
    """Yields the values of a load until standard input ends."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    sequence = 0
    while not ended.wait(PACE_S):
        yield f"{sequence}:{PAD}"
        sequence += 1


def main(commands):
    name, *args = sys.argv[1:]
    commands[name](*args)
