"""Between Playwright and a Firefox as Debian has it: answers the one command that every window needs and it lacks.

Playwright drives an unpatched Firefox by WebDriver BiDi, and tells each window which colours its person likes
(`emulation.setMediaFeaturesOverride`). This Firefox does not know the command, and then Playwright opens no window.
`LIGHT` gives it light colours anyway, so that wish is answered here; a wish for dark ones goes through and is refused,
so that no test believes it has seen them. Everything else goes to and fro as it is.

Run in the place of Firefox, with its path before its arguments; standard library alone.
"""

import contextlib
import json
import re
import socket
import struct
import subprocess
import sys
import threading

LIGHT = {"layout.css.prefers-color-scheme.content-override": 1}  # a preference of Firefox
_WISH = "emulation.setMediaFeaturesOverride"
_LISTENS = re.compile(rb"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)")
_TEXT = 0x81  # a whole message of text


def main(program, *arguments):
    """Run Firefox and stand between; return its exit code."""
    with subprocess.Popen((program, *arguments), stderr=subprocess.PIPE) as firefox:
        for line in firefox.stderr:
            found = _LISTENS.search(line)
            told = line.replace(found[1], str(_stand_before(int(found[1]))).encode()) if found else line
            sys.stderr.buffer.write(told)
            sys.stderr.buffer.flush()
    return firefox.returncode


def _stand_before(port):
    """Take connections for a port of Firefox; return the port that Playwright is to speak to."""
    listener = socket.create_server(("127.0.0.1", 0))

    def take():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_converse, args=(client, port), daemon=True).start()

    threading.Thread(target=take, daemon=True).start()
    return listener.getsockname()[1]


def _converse(client, port):
    with client, socket.create_connection(("127.0.0.1", port)) as firefox, contextlib.suppress(OSError, EOFError):
        ours, theirs = client.makefile("rb"), firefox.makefile("rb")
        firefox.sendall(_request(ours, port))
        talking = threading.Lock()  # whole frames only go to Playwright, of Firefox's or of ours
        threading.Thread(target=_answers, args=(theirs, client, talking), daemon=True).start()
        while True:
            frame, message = _frame(ours)
            answer = _answer(message)
            if answer is None:
                firefox.sendall(frame)
            else:
                with talking:
                    client.sendall(answer)


def _answers(theirs, client, talking):
    with contextlib.suppress(OSError, EOFError):
        head = b"".join(iter(lambda: _line(theirs), b"\r\n")) + b"\r\n"
        client.sendall(head)
        while True:
            frame, _ = _frame(theirs)
            with talking:
                client.sendall(frame)
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


def _line(stream):
    line = stream.readline()
    if not line:
        raise EOFError
    return line


def _request(stream, port):
    """Return Playwright's request for a WebSocket with Firefox's port, without what would make frames unreadable."""
    lines = [line for line in iter(lambda: _line(stream), b"\r\n") if not line.lower().startswith(b"sec-websocket-ext")]
    return re.sub(rb"(?im)^(host: [^:\r]+):\d+", rb"\1:%d" % port, b"".join(lines)) + b"\r\n"


def _exactly(stream, length):
    octets = stream.read(length)
    if len(octets) < length:
        raise EOFError
    return octets


def _frame(stream):
    """Return a frame (RFC 6455, 5.2) as it is, and its message where it is a whole one of text."""
    head = _exactly(stream, 2)
    length, masked = head[1] & 0x7F, head[1] & 0x80
    more = _exactly(stream, {126: 2, 127: 8}.get(length, 0))
    if more:
        (length,) = struct.unpack(">H" if len(more) == 2 else ">Q", more)
    mask = _exactly(stream, 4) if masked else b""
    payload = _exactly(stream, length)
    frame = head + more + mask + payload
    if head[0] != _TEXT or _WISH.encode() not in _unmasked(payload, mask):
        return frame, None
    return frame, _unmasked(payload, mask)


def _unmasked(payload, mask):
    if not mask:
        return payload
    whole = mask * (len(payload) // 4 + 1)
    return (int.from_bytes(payload) ^ int.from_bytes(whole[: len(payload)])).to_bytes(len(payload))


def _answer(message):
    """Return the frame that answers a message in Firefox's place; None: it is not for us."""
    command = {} if message is None else json.loads(message)
    wish = command.get("params", {}).get("features", {}).get("prefers-color-scheme")
    if command.get("method") != _WISH or wish not in (None, "light"):
        return None
    text = json.dumps({"type": "success", "id": command["id"], "result": {}}).encode()
    return bytes((_TEXT, len(text))) + text


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
