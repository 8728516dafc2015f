// Subcommands: the entry point of each, run by the table in guard/main.c.
//
// argv[0] is the subcommand's name. The value returned is the exit code of the process.
#pragma once

int serve_main(int argc, char **argv);
int run_main(int argc, char **argv);
int kill_main(int argc, char **argv);
int reload_main(int argc, char **argv);
int status_main(int argc, char **argv);
int report_main(int argc, char **argv);
int state_main(int argc, char **argv);
int ledger_main(int argc, char **argv);
int job_main(int argc, char **argv);
int credential_main(int argc, char **argv);
int price_main(int argc, char **argv);
int alert_main(int argc, char **argv);
int config_main(int argc, char **argv);
int cgroup_helper_main(int argc, char **argv);
int units_main(int argc, char **argv);
