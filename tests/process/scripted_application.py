"""An application that goes through scripted states, one step per question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Step = tuple[str, str, dict[str, Any]]

TERMINAL = ("FINISHED", "FAILED", "KILLED")
SUCCESS: tuple[Step, ...] = (
    ("ACCEPTED", "UNDEFINED", {}),
    ("RUNNING", "UNDEFINED", {}),
    ("FINISHED", "SUCCEEDED", {}),
)
CLUSTER_TIMESTAMP = 1_700_000_000_000
LIFETIME_DIAGNOSTICS = "Application is killed by ResourceManager as it has exceeded the lifetime period."


@dataclass
class Application:
    """One scripted application."""

    fields: dict[str, Any]
    steps: list[Step]
    at: int = -1
    expiry: str = "UNLIMITED"
    hidden_searches: int = 0
    tracking_url: str = ""

    def advance(self) -> dict[str, Any]:
        """Take the next step and answer the application as it is then."""
        self.at = min(self.at + 1, len(self.steps) - 1)
        return self.now()

    def now(self) -> dict[str, Any]:
        """The application's JSON at its present step."""
        state, final_status, more = self.steps[max(0, self.at)]
        ended = state in TERMINAL
        started = self.fields["startedTime"]
        # A step with launchTime 0 is an end without any attempt: the request was refused, or killed while it waited.
        launched = state in ("RUNNING", *TERMINAL) and more.get("launchTime") != 0
        idle = -1 if launched else 0
        shape = {
            "state": state,
            "finalStatus": final_status,
            "progress": 0.0 if not launched else 100.0 if ended else 10.0 if state == "RUNNING" else 0.0,
            "trackingUI": "UNASSIGNED" if not launched else "History" if ended else "ApplicationMaster",
            "finishedTime": started + 20_000 if ended else 0,
            "elapsedTime": 20_000 if ended else 5_000,
            "launchTime": started + 300 if launched else 0,
            "allocatedMB": 2048 if state == "RUNNING" else idle,
            "allocatedVCores": 2 if state == "RUNNING" else idle,
            "runningContainers": 2 if state == "RUNNING" else idle,
            "logAggregationStatus": "SUCCEEDED" if ended and launched else "NOT_START",
        }
        if launched:
            node = "http://localhost:8042/node/containerlogs"
            container = self.fields["id"].replace("application", "container") + "_01_000001"
            shape["amContainerLogs"] = f"{node}/{container}/{self.fields['user']}"
            shape["amHostHttpAddress"] = "localhost:8042"
            shape["trackingUrl"] = self.tracking_url
        limit = {"type": "LIFETIME", "expiryTime": self.expiry, "remainingTimeInSeconds": -1}
        return {**self.fields, **shape, "timeouts": {"timeout": [limit]}, **more}

    @property
    def state(self) -> str:
        """The state at the present step."""
        return str(self.now()["state"])

    def end(self, state: str, final_status: str, diagnostics: str) -> None:
        """Jump to an end of our own."""
        self.steps, self.at = [(state, final_status, {"diagnostics": diagnostics})], 0
