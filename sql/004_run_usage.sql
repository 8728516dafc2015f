-- What a run has used besides memory and CPU time; NULL where the kernel does not tell.

ALTER TABLE reeve.run
    ADD COLUMN io_read_bytes    bigint,
    ADD COLUMN io_written_bytes bigint,
    ADD COLUMN memory_stall_us  bigint; -- some process of it waited for memory (PSI)
