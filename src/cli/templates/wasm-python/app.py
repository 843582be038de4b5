import sys

from greeting import greeting
from wit_world import exports


class Run(exports.Run):
    def run(self):
        print(greeting(sys.argv[1] if len(sys.argv) > 1 else "world"))
