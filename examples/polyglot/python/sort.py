import sys

from wit_world import exports


class Run(exports.Run):
    def run(self):
        for word in sorted(sys.argv[1:]):
            print(word)
        print("sorted by Python")
