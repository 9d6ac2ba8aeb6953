"""Does to a fleet, and to its database, what the plan says."""

import heapq
import itertools
import signal
import time
from collections.abc import Callable, Iterable

import psutil

from benchmarks.chaos.fleet import Worker
from benchmarks.chaos.plan import OF_DATABASE, Fault, Kind
from benchmarks.chaos.side import Side, Strike, Task

LOOK_SECONDS = 0.1
START_AGAIN_LATER = 75  # exit code of a worker that can't go on through no fault of its own
GIVEN_UP_SECONDS = 15.0  # a fault that finds no victim for so long is left out


class Storm:
    """One storm over one side."""

    def __init__(self, side: Side, plan: Iterable[Fault]) -> None:
        self.strikes: list[Strike] = []
        self._side = side
        self._plan = [fault for fault in plan if fault.kind in set(side.kinds())]
        self._ends: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._database_is_there = True

    def run(self, seconds: float, progress: Callable[[int, int], None]) -> None:
        """Lets the storm rage for `seconds`, then lifts what is still being done."""
        start = time.monotonic()
        waiting = [*self._plan]
        while (now := time.monotonic() - start) < seconds or self._ends:
            while self._ends and (self._ends[0][0] <= now):
                heapq.heappop(self._ends)[2]()
            if waiting and waiting[0].at <= now < seconds and self._attempt(waiting[0], now, start):
                waiting.pop(0)
            self.pass_time()
            progress(int(min(now, seconds)), int(seconds))

    def pass_time(self) -> None:
        """A tenth of a second of looking after the fleet."""
        self._side.fleet.look_after()
        if self._database_is_there:
            self._side.tick()
        time.sleep(LOOK_SECONDS)

    def _attempt(self, fault: Fault, now: float, start: float) -> bool:
        """Whether the fault is dealt with: done, or left out."""
        if not self._database_is_there:
            return False
        tasks = self._side.tasks()
        if fault.kind in OF_DATABASE:
            if not tasks and now < fault.at + GIVEN_UP_SECONDS:
                return False
            strike = Strike(fault, None, [*tasks.values()], time.time())
            self._strike_database(strike, start)
        else:
            worker = self._victim(fault, tasks)
            if worker is None:
                return now > fault.at + GIVEN_UP_SECONDS
            strike = Strike(fault, worker.slot, [tasks[worker.slot]], time.time())
            self._strike_worker(strike, worker, start)
        self.strikes.append(strike)
        return True

    def _victim(self, fault: Fault, tasks: dict[int, Task]) -> Worker | None:
        """The worker that the plan names, or the next one that is at work and can take it."""
        workers = self._side.fleet.workers
        for worker in workers[fault.victim :] + workers[: fault.victim]:
            task = tasks.get(worker.slot)
            if worker.is_up and not worker.busy and task and not task.spent and self._side.trainer(worker):
                return worker
        return None

    def _strike_worker(self, strike: Strike, worker: Worker, start: float) -> None:
        fault, trainer = strike.fault, self._side.trainer(worker)
        if trainer is None:
            return
        match fault.kind:
            case Kind.KILL_WORKER:
                worker.send(signal.SIGKILL, expected=(-9,))
            case Kind.KILL_BOTH:
                worker.send(signal.SIGKILL, expected=(-9,))
                _signal(trainer, signal.SIGKILL)
            case Kind.KILL_TRAINER:
                _signal(trainer, signal.SIGKILL)
            case Kind.TERMINATE:
                worker.send(signal.SIGTERM, expected=(0, -15))
            case Kind.INTERRUPT_TWICE:
                worker.send(signal.SIGINT, signal.SIGINT, expected=(0, 1, 130, -2))
            case Kind.DAMAGE:
                _signal(trainer, signal.SIGSTOP)
                self._side.damage(worker, strike.tasks[0], fault.draw)
                _signal(trainer, signal.SIGKILL)
            case Kind.SUSPEND_WORKER:
                own = psutil.Process(worker.pid)
                _signal(own, signal.SIGSTOP)
                self._until(strike, worker, start, lambda: _signal(own, signal.SIGCONT))
            case Kind.SUSPEND_TRAINER:
                _signal(trainer, signal.SIGSTOP)
                self._until(strike, worker, start, lambda: _signal(trainer, signal.SIGCONT))
            case Kind.HALF_OPEN:
                worker.proxy.swallow()
                self._until(strike, worker, start, worker.proxy.heal)
            case Kind.DISK_FULL:
                worker.may_exit(START_AGAIN_LATER)
                self._side.fill_disk(worker, True)
                self._until(strike, worker, start, lambda: self._side.fill_disk(worker, False))
        if fault.seconds == 0:
            strike.ended = time.time()

    def _strike_database(self, strike: Strike, start: float) -> None:
        postgres = self._side.postgres
        match strike.fault.kind:
            case Kind.DATABASE_RESTART:
                postgres.restart()
                strike.ended = time.time()
            case Kind.CONNECTIONS:
                for _ in range(10):
                    postgres.terminate_connections()
                    time.sleep(strike.fault.seconds / 10)
                strike.ended = time.time()
            case Kind.DATABASE_CRASH | Kind.DATABASE_GONE as kind:
                self._database_is_there = False
                if kind == Kind.DATABASE_CRASH:
                    postgres.crash()
                else:
                    postgres.stop()
                self._until(strike, None, start, self._bring_back_database)

    def _bring_back_database(self) -> None:
        self._side.postgres.start()
        self._database_is_there = True

    def _until(self, strike: Strike, worker: Worker | None, start: float, end: Callable[[], None]) -> None:
        """Has `end` called when the fault is over."""

        def over() -> None:
            end()
            strike.ended = time.time()
            if worker is not None:
                worker.busy = False

        if worker is not None:
            worker.busy = True
        at = time.monotonic() - start + strike.fault.seconds
        heapq.heappush(self._ends, (at, next(self._order), over))


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
