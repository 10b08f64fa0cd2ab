"""Nine steps that do nothing, by Metaflow's local runtime: python metaflow_steps.py run."""

from metaflow import FlowSpec, step


class NineSteps(FlowSpec):
    """1 -> 2 -> {3, 4}; 4 -> {5, 6} -> 7; 3, 7 -> 9 -> 8; the first is `start`, the last `end`."""

    @step
    def start(self):
        self.next(self.two)

    @step
    def two(self):
        self.next(self.three, self.four)

    @step
    def three(self):
        self.next(self.nine)

    @step
    def four(self):
        self.next(self.five, self.six)

    @step
    def five(self):
        self.next(self.seven)

    @step
    def six(self):
        self.next(self.seven)

    @step
    def seven(self, inputs):
        self.next(self.nine)

    @step
    def nine(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NineSteps()
