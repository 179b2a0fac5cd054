"""Measures Gatewright beside its peers, in one run, as ratios: `.venv/bin/python -m tools.bench [SUITE...]`.

Needs the extra `bench` (`pip install -e '.[bench]'`) for iPOPO and pyperf. Felix and Equinox take part where a JDK
and Debian's packages libfelix-framework-java and libeclipse-osgi-java are there.
"""
