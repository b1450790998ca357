"""Functions run at once, each in a thread of its own."""

import threading


def run_threads(*functions):
    """Run them at once; returns what they return, raises what they raise."""
    results = [None] * len(functions)
    barrier = threading.Barrier(len(functions))

    def run(number):
        try:
            barrier.wait()
            results[number] = functions[number]()
        except BaseException as error:  # handed on
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
