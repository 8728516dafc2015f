#!/bin/bash
# escape.sh with every way to leave a cgroup, for every way to get one.
ESCAPES=all exec bash "$(dirname "$0")/escape.sh"
