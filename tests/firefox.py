"""Firefox as it is installed, driven over its own Marionette: JSON on a socket, so that no driver has to be installed.

Playwright drives only a Firefox of its own making; a driver for others comes from nowhere but its makers' releases.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PATHS = ("firefox-esr", "firefox")
# Nothing of its own over the network, no first-run pages; any free port. A page's foreign requests go to a proxy.
PREFERENCES = {
    "marionette.port": 0,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disablePrefetch": True,
    "network.prefetch-next": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
    "ui.prefersReducedMotion": 1,
}
KEYS = {
    "Backspace": "\ue003",
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Shift": "\ue008",
    "Control": "\ue009",
    "Escape": "\ue00c",
    "Space": " ",
    "End": "\ue010",
    "Home": "\ue011",
    "ArrowLeft": "\ue012",
    "ArrowUp": "\ue013",
    "ArrowRight": "\ue014",
    "ArrowDown": "\ue015",
    "Delete": "\ue017",
}


def installed() -> str | None:
    return next(filter(None, map(shutil.which, PATHS)), None)


class Firefox:
    """A running browser with one window."""

    def __init__(self, path: str, preferences: dict | None = None):
        self.profile = tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True)
        folder = Path(self.profile.name)
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});"
            for name, value in {**PREFERENCES, **(preferences or {})}.items()
        ]
        (folder / "user.js").write_text("\n".join(lines), encoding="utf-8")
        flags = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", str(folder)]
        self.process = subprocess.Popen([path, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.count = 0
        try:
            self.socket = socket.create_connection(("127.0.0.1", self._port(folder)), timeout=120)
            self.stream = self.socket.makefile("rb")
            self._receive()  # its greeting
            self.send("WebDriver:NewSession", capabilities={})
            self.send("WebDriver:SetTimeouts", script=300_000)
        except BaseException:
            self.process.kill()
            raise

    def _port(self, folder: Path) -> int:
        for _ in range(600):
            written = folder / "MarionetteActivePort"
            if written.exists() and (text := written.read_text().strip()):
                return int(text)
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("Firefox did not start")

    def _receive(self):
        length = b""
        while (byte := self.stream.read(1)) != b":":
            if not byte:
                raise ConnectionError("Firefox has gone")
            length += byte
        return json.loads(self.stream.read(int(length)))

    def send(self, command: str, **parameters):
        """One command of the protocol and its answer."""
        self.count += 1
        message = json.dumps([0, self.count, command, parameters]).encode()
        self.socket.sendall(str(len(message)).encode() + b":" + message)
        _, number, error, answer = self._receive()
        assert number == self.count, (number, self.count)
        if error:
            raise RuntimeError(f"{command}: {error['error']}: {error['message']}")
        return answer.get("value") if set(answer) == {"value"} else answer

    def go(self, url: str):
        self.send("WebDriver:Navigate", url=url)

    def js(self, expression: str, *given):
        """The value of an expression on the page, which knows `given` by this name."""
        script = f"const given = [...arguments]; return ({expression});"
        return self.send("WebDriver:ExecuteScript", script=script, args=list(given))

    def evaluate(self, script: str):
        """As Playwright's: the value of a script among the page's own, called and awaited if need be."""
        body = "const value = (0, eval)(arguments[0]); return typeof value === 'function' ? value() : value;"
        return self.send("WebDriver:ExecuteScript", script=body, args=[script], sandbox=None)

    def set_viewport_size(self, size: dict[str, int]):
        """As Playwright's, but for the height. A window can be no narrower than Firefox's own buttons; a page can."""
        width = size["width"]
        self.system("gBrowser.selectedBrowser.style.maxWidth = `${arguments[0]}px`", width)
        self.wait_for(lambda: self.js("innerWidth") == width, f"no page {width} pixels wide")

    def emulate_media(self, color_scheme: str):
        self.prefer("layout.css.prefers-color-scheme.content-override", ["dark", "light"].index(color_scheme))

    def wait_for_timeout(self, milliseconds: int):
        time.sleep(milliseconds / 1000)

    @staticmethod
    def wait_for(condition, otherwise: str):
        for _ in range(100):
            if condition():
                return
            time.sleep(0.1)
        raise RuntimeError(f"Firefox: {otherwise}")

    def system(self, script: str, *given):
        """The result of a script in the browser itself, beside the page."""
        self.send("Marionette:SetContext", value="chrome")
        try:
            return self.send("WebDriver:ExecuteScript", script=script, args=list(given))
        finally:
            self.send("Marionette:SetContext", value="content")

    def prefer(self, name: str, value: bool | int):
        """Change a preference while the browser runs."""
        kind = "Bool" if isinstance(value, bool) else "Int"
        self.system(f"Services.prefs.set{kind}Pref(arguments[0], arguments[1])", name, value)

    def complaints(self, address: str) -> list[str]:
        """Errors that scripts of the site did not catch, since the browser started."""
        return self.system(
            """return Services.console.getMessageArray()
                .filter((m) => m instanceof Ci.nsIScriptError && !(m.flags & Ci.nsIScriptError.warningFlag)
                    && m.sourceName?.startsWith(arguments[0])).map(String)""",
            address,
        )

    def click(self, css: str):
        found = self.send("WebDriver:FindElement", using="css selector", value=css)
        self.send("WebDriver:ElementClick", id=next(iter(found.values())))

    def press(self, key: str):
        """A key by its name, others held down before it: "Shift+Enter"."""
        codes = [KEYS.get(name, name) for name in key.split("+")]
        actions = [{"type": "keyDown", "value": code} for code in codes]
        actions += [{"type": "keyUp", "value": code} for code in reversed(codes)]
        self.send("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def quit(self):
        try:
            self.send("Marionette:Quit")
            self.process.wait(20)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.stream.close()
        self.socket.close()
        self.profile.cleanup()
