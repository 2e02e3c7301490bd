# SPDX-License-Identifier: Apache-2.0
"""What can be made to go wrong with an action: emulator.inject(Slow(3600), provider="transfer")."""

import dataclasses


@dataclasses.dataclass
class Slow:
    """Takes so many (virtual) seconds; half of its work is done at once, the rest at its end."""
    seconds: float


@dataclasses.dataclass
class Retry:
    """A transfer that meets so many faults, and takes so long, before it succeeds after all."""
    faults: int = 3
    seconds: float = 900


@dataclasses.dataclass
class Stuck:
    """Never ends by itself: with WaitTime over it is ActionTimeout."""


@dataclasses.dataclass
class Fail:
    """Starts, and ends as FAILED with this in its details."""
    code: str = "ENDPOINT_ERROR"
    message: str = "The endpoint reported an error"


@dataclasses.dataclass
class Unable:
    """Can't even be started: ActionUnableToRun."""
    message: str = "The action provider could not be reached"


@dataclasses.dataclass
class Answer:
    """Does nothing and answers with these details."""
    details: dict
    status: str = "SUCCEEDED"


@dataclasses.dataclass
class Pause:
    """The run becomes INACTIVE before the action, until run.resume()."""
    code: str = "ConsentRequired"
    message: str = "The run needs a consent to go on"


@dataclasses.dataclass
class Injected:
    """A fault with the actions it strikes."""
    does: object
    provider: str = None
    state: str = None
    when: object = None
    times: int = 1
    skip: int = 0

    def strikes(self, run, state, provider, body):
        """Counts down; whether it is this one's turn."""
        if (self.times <= 0 or self.provider not in (None, provider)
                or self.state not in (None, state)
                or (self.when is not None and not self.when(run, body))):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True
