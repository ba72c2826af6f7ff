"""timed.py COMMAND…: runs it; the last line is seconds and the processor seconds of it and all its children, as CSV."""

import resource
import subprocess
import sys
import time

begin = time.monotonic()
done = subprocess.run(sys.argv[1:], check=False)
seconds = time.monotonic() - begin
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{seconds:.1f},{used.ru_utime + used.ru_stime:.1f}", flush=True)
sys.exit(done.returncode)
