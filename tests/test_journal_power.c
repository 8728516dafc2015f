// Checks the journal against power cuts, by simulation: a disk that keeps what was synced and, of
// what was not, any pages; names likewise. Whatever was told to be synced must be found at the next
// start, and the ledger that follows, with its own durable cursor, must get every record that
// survives.
//
// The C library's calls are replaced by the functions below, which keep the books of that disk.
#define FIXTURE_PARENT "/dev/shm"
#include "journal_fixture.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/syscall.h>

#define FILES_MAX 64
#define SEGMENT_BYTES JOURNAL_SEGMENT_BYTES_MIN
#define TAGS 65536

// What the disk has of a file.
struct disk_file {
    ino_t inode;
    size_t length;
    uint8_t bytes[SEGMENT_BYTES];
};

struct disk_name {
    char name[JOURNAL_SEGMENT_NAME_MAX];
    ino_t inode;
};

struct names {
    size_t count;
    struct disk_name names[FILES_MAX];
};

static struct {
    pthread_mutex_t mutex;
    size_t file_count;
    struct disk_file files[FILES_MAX];
    struct names names;
} disk = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static struct fixture fixture;

static size_t read_file(int fd, uint8_t *bytes)
{
    ssize_t length = pread(fd, bytes, SEGMENT_BYTES, 0);
    ck_assert_int_ge(length, 0);
    return (size_t)length;
}

static struct disk_file *disk_find(ino_t inode)
{
    for (size_t i = 0; i < disk.file_count; i++)
        if (disk.files[i].inode == inode)
            return &disk.files[i];
    return NULL;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    pthread_mutex_lock(&disk.mutex);
    ssize_t result = syscall(SYS_pwrite64, fd, bytes, length, offset);
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int fdatasync(int fd)
{
    static _Thread_local struct disk_file snapshot;
    struct stat status;
    ck_assert_int_eq(fstat(fd, &status), 0);
    pthread_mutex_lock(&disk.mutex);
    snapshot.inode = status.st_ino;
    snapshot.length = read_file(fd, snapshot.bytes);
    pthread_mutex_unlock(&disk.mutex);
    sched_yield(); // what is written from here on was too late
    pthread_mutex_lock(&disk.mutex);
    struct disk_file *file = disk_find(status.st_ino);
    if (file == NULL) {
        ck_assert_uint_lt(disk.file_count, FILES_MAX);
        file = &disk.files[disk.file_count++];
    }
    *file = snapshot;
    pthread_mutex_unlock(&disk.mutex);
    return 0;
}

static void list_names(const char *path, struct names *names)
{
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    names->count = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        ck_assert_uint_lt(names->count, FILES_MAX);
        struct disk_name *name = &names->names[names->count++];
        snprintf(name->name, sizeof(name->name), "%.*s", (int)sizeof(name->name) - 1,
                 entry->d_name);
        name->inode = entry->d_ino;
    }
    closedir(directory);
}

int fsync(int fd)
{
    char path[64];
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    ck_assert_int_gt(length, 0);
    path[length] = '\0';
    if (strcmp(path, fixture.directory) != 0)
        return 0;
    pthread_mutex_lock(&disk.mutex);
    list_names(path, &disk.names);
    pthread_mutex_unlock(&disk.mutex);
    return 0;
}

int renameat(int old_fd, const char *old_path, int new_fd, const char *new_path)
{
    pthread_mutex_lock(&disk.mutex);
    int result = (int)syscall(SYS_renameat2, old_fd, old_path, new_fd, new_path, 0);
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int unlinkat(int fd, const char *path, int flags)
{
    pthread_mutex_lock(&disk.mutex);
    int result = (int)syscall(SYS_unlinkat, fd, path, flags);
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

int ftruncate(int fd, off_t length)
{
    pthread_mutex_lock(&disk.mutex);
    int result = (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_unlock(&disk.mutex);
    return result;
}

// The power cut.

static bool toss(void)
{
    return samples_below(&fixture.samples, 2) == 1;
}

static const struct disk_name *names_find(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i].name, name) == 0)
            return &names->names[i];
    return NULL;
}

// Writes what is left of a file into `path`: of each page the old or the new content.
static void write_remains(const char *path, const struct disk_file *old, const char *new_path)
{
    static const struct disk_file nothing;
    static struct disk_file new;
    static uint8_t bytes[SEGMENT_BYTES];
    const size_t page = toss() ? 512 : 4096;
    if (old == NULL)
        old = &nothing;
    new = *old;
    if (new_path != NULL) {
        int fd = open(new_path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        memset(new.bytes, 0, sizeof(new.bytes));
        new.length = read_file(fd, new.bytes);
        close(fd);
    }
    size_t length = toss() ? new.length : old->length;
    memset(bytes, 0, sizeof(bytes));
    for (size_t at = 0; at < length; at += page) {
        const struct disk_file *chosen = toss() ? &new : old;
        if (at < chosen->length)
            memcpy(bytes + at, chosen->bytes + at, page);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
}

// Leaves in `directory` what the disk has after a power cut at this moment.
static void cut_power(const char *directory)
{
    static struct names now;
    static struct names all;
    pthread_mutex_lock(&disk.mutex);
    list_names(fixture.directory, &now);
    all = now;
    for (size_t i = 0; i < disk.names.count; i++)
        if (names_find(&now, disk.names.names[i].name) == NULL)
            all.names[all.count++] = disk.names.names[i];
    for (size_t i = 0; i < all.count; i++) {
        const char *name = all.names[i].name;
        const struct disk_name *old = names_find(&disk.names, name);
        const struct disk_name *new = names_find(&now, name);
        bool same = old != NULL && new != NULL && old->inode == new->inode;
        const struct disk_name *chosen = same || toss() ? new : old;
        if (chosen == NULL)
            continue;
        char path[PATH_MAX];
        char new_path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", directory, name);
        snprintf(new_path, sizeof(new_path), "%s/%s", fixture.directory, name);
        write_remains(path, disk_find(chosen->inode), chosen == new ? new_path : NULL);
    }
    pthread_mutex_unlock(&disk.mutex);
}

static void remove_directory(const char *directory)
{
    static struct names names;
    list_names(directory, &names);
    for (size_t i = 0; i < names.count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", directory, names.names[i].name);
        ck_assert_int_eq(unlink(path), 0);
    }
    ck_assert_int_eq(rmdir(directory), 0);
}

// What the cut left becomes the disk.
static void restart_disk(const char *directory)
{
    remove_directory(fixture.directory);
    snprintf(fixture.directory, sizeof(fixture.directory), "%s", directory);
    list_names(directory, &disk.names);
    disk.file_count = disk.names.count;
    for (size_t i = 0; i < disk.names.count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", directory, disk.names.names[i].name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        disk.files[i].inode = disk.names.names[i].inode;
        memset(disk.files[i].bytes, 0, SEGMENT_BYTES);
        disk.files[i].length = read_file(fd, disk.files[i].bytes);
        close(fd);
    }
}

// The ledger: the tags of the records that it has, and its cursor; both survive.

static struct {
    uint64_t tags[TAGS];
    struct journal_cursor cursor;
    uint64_t acknowledged; // the greatest segment that was
} ledger;

static bool ledger_has(uint64_t tag, bool add)
{
    size_t i = tag % TAGS;
    while (ledger.tags[i] != 0 && ledger.tags[i] != tag)
        i = (i + 1) % TAGS;
    bool has = ledger.tags[i] == tag;
    if (add)
        ledger.tags[i] = tag;
    return has;
}

static void ledger_follow(size_t records_max)
{
    struct journal_follower *follower;
    struct journal_follow follow;
    struct error err = {0};
    ck_assert_int_eq(journal_follow_open(&follower, fixture.directory, &ledger.cursor, NULL), 0);
    while (records_max-- > 0) {
        enum journal_follow_result result = journal_follow_next(follower, &follow, &err);
        if (result == JOURNAL_FOLLOW_ERROR && err.code == -ENOENT)
            continue; // deleted this moment
        ck_assert_msg(result != JOURNAL_FOLLOW_ERROR, "%s", err.text);
        ck_assert_int_ne(result, JOURNAL_FOLLOW_UNREADABLE);
        // What was not acknowledged must be there; of what was, some may appear again.
        if (result == JOURNAL_FOLLOW_GAP && follow.gap.kind == JOURNAL_GAP_SEGMENTS)
            ck_assert_uint_le(follow.gap.segment + follow.gap.segments, ledger.acknowledged);
        ledger.cursor = follow.cursor;
        if (result == JOURNAL_FOLLOW_NOTHING_YET)
            break;
        if (result == JOURNAL_FOLLOW_RECORD)
            ledger_has(fixture_tag(&follow.record), true);
    }
    journal_follow_close(follower);
}

// As the ledger's process does when it starts, with the cursor as it finds it.
static void acknowledge(void)
{
    if (ledger.acknowledged < ledger.cursor.segment)
        ledger.acknowledged = ledger.cursor.segment;
    journal_delete_before(fixture.journal, &ledger.cursor);
}

static void expect_open(enum journal_record_type type, const void *fields)
{
    struct journal_record record = {type, {fields}};
    ck_assert_int_eq(journal_live_make_room(&fixture.expected, &record, NULL), 0);
    journal_live_apply(&fixture.expected, &record);
}

// Cuts the power, starts again, and compares. Returns how many records were lost.
static size_t cut_and_start(void)
{
    struct journal_status status;
    char directory[sizeof(fixture.directory)];
    memcpy(directory, fixture.directory, sizeof(directory));
    memcpy(strrchr(directory, '-'), "-XXXXXX", sizeof("-XXXXXX"));
    ck_assert_ptr_nonnull(mkdtemp(directory));
    journal_dispatch(fixture.journal);
    journal_read_status(fixture.journal, &status);
    cut_power(directory);
    fixture_close(&fixture);
    restart_disk(directory);

    fixture_open(&fixture);
    uint64_t end = (uint64_t)fixture.found.segment << 32 | fixture.found.offset;
    ck_assert_uint_eq(fixture_digest(fixture.replayed_settled, journal_live(fixture.journal)),
                      fixture_digest_at(&fixture, end));
    size_t count = fixture.log_count;
    while (fixture.log[fixture.log_count - 1].position > end)
        fixture.log_count--;
    if (fixture.log_count < count) // else all is there
        ck_assert_uint_gt(fixture.log[fixture.log_count].position, status.synced);
    // What was not synced at the end of a segment may survive in the next one's checkpoint alone.
    for (size_t i = fixture.log_count; i-- > 0 && fixture.log[i].position > status.synced;)
        if (journal_position_segment(fixture.log[i].position) < fixture.found.segment)
            fixture.log[i].tag = 0;

    // What is expected to be open goes on from what the journal has.
    const struct journal_live *found = journal_live(fixture.journal);
    journal_live_done(&fixture.expected);
    for (size_t i = 0; i < found->run_count; i++) {
        expect_open(JOURNAL_RUN_OPEN, &found->runs[i].open);
        expect_open(JOURNAL_RUN_TOTALS, &found->runs[i].totals);
    }
    for (size_t i = 0; i < found->reservation_count; i++)
        expect_open(JOURNAL_RESERVATION, &found->reservations[i]);
    for (size_t i = 0; i < found->batch_count; i++)
        expect_open(JOURNAL_BATCH, &found->batches[i]);
    return count - fixture.log_count;
}

static size_t run_seed(uint64_t seed)
{
    size_t lost = 0;
    memset(&ledger, 0, sizeof(ledger));
    disk.file_count = disk.names.count = 0;
    fixture_init(&fixture, SEGMENT_BYTES, seed);
    fixture_open(&fixture);
    for (int cut = 0; cut < 12; cut++) {
        for (size_t i = samples_below(&fixture.samples, 8); i > 0; i--) {
            fixture_steps(&fixture, samples_below(&fixture.samples, 30));
            if (toss())
                journal_dispatch(fixture.journal);
            if (toss())
                fixture_sync(&fixture);
            if (toss())
                acknowledge();
            if (toss())
                ledger_follow(samples_below(&fixture.samples, 60));
        }
        lost += cut_and_start();
    }
    fixture_sync(&fixture);
    ledger_follow(SIZE_MAX);
    for (size_t i = 1; i < fixture.log_count; i++)
        ck_assert(fixture.log[i].tag == 0 || ledger_has(fixture.log[i].tag, false));
    fixture_done(&fixture);
    return lost;
}

START_TEST(what_was_synced_survives)
{
    size_t lost = 0;
    for (uint64_t seed = 0; seed < 10; seed++)
        lost += run_seed((uint64_t)_i * 10 + seed);
    ck_assert_uint_gt(lost, 0); // else nothing was put to the test
}
END_TEST

static void add_tests(TCase *cases)
{
    int tens = getenv("REEVE_TEST_FULL") != NULL ? 500 : 5; // of seeds, 12 cuts each
    tcase_add_loop_test(cases, what_was_synced_survives, 0, tens);
}

int main(void)
{
    return fixture_run_suite("journal_power", add_tests);
}
