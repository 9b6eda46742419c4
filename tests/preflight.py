"""An application's answer to "is there unsaved work?", as a real HTTP server on loopback."""

import json
from dataclasses import dataclass, field
from threading import Event, Thread

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response


@dataclass
class Editor:
    """Answers what a test tells it; `asked` are the tokens that came, `answering` is cleared to keep silent."""

    answer: object = None
    status: int = 200
    content_type: str = "application/json"
    asked: list = field(default_factory=list)
    answering: Event = field(default_factory=Event)

    def __enter__(self):
        self.answering.set()
        self._server = make_server("127.0.0.1", 0, Request.application(self._handle), threaded=True)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.answering.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def toml(self):
        """The lines of an application's file that name it."""
        return (
            f'connection = "idp"\ninsecure_http = true\npreflight_url = "http://127.0.0.1:{self._server.port}/busy"\n'
        )

    def _handle(self, request):
        self.asked.append(request.form["preflight_token"])
        self.answering.wait(120)
        body = self.answer if isinstance(self.answer, (str, bytes)) else json.dumps(self.answer)
        return Response(body, status=self.status, content_type=self.content_type)
