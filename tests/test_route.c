// Tests of route.c: what a request asks for, and how large its body may be.
#include "route.h"
#include "suite_run.h"

#include <check.h>
#include <stdlib.h>

#define MB (INT64_C(1) << 20)

static const struct {
    const char *method, *path;
    enum route_kind kind;
    int64_t body_bytes_max;
} requests[] = {
    // Clients warm up.
    {"HEAD", "/", ROUTE_PROBE, 0},
    {"HEAD", "/api/hello", ROUTE_PROBE, 0},
    {"GET", "/", ROUTE_UNKNOWN, 0},
    {"GET", "/api/hello", ROUTE_UNKNOWN, 0},
    {"HEAD", "/api/hello/", ROUTE_UNKNOWN, 0},
    // reeve's own, whatever the method and however it is written: the guard knows them by name.
    {"GET", "/metrics", ROUTE_LOCAL, 0},
    {"POST", "/metrics", ROUTE_LOCAL, 0},
    {"GET", "/reeve", ROUTE_LOCAL, 0},
    {"GET", "/reeve/", ROUTE_LOCAL, 0},
    {"GET", "/reeve/page.css", ROUTE_LOCAL, 0},
    {"GET", "/reeve/../v1/messages", ROUTE_LOCAL, 0},
    {"GET", "/metrics/", ROUTE_UNKNOWN, 0},
    {"GET", "/reeves", ROUTE_UNKNOWN, 0},
    // Billed.
    {"POST", "/v1/messages", ROUTE_MESSAGES, 32 * MB},
    {"post", "/v1/messages", ROUTE_MESSAGES, 32 * MB},
    {"GET", "/v1/messages", ROUTE_FREE, 32 * MB},
    // Free.
    {"POST", "/v1/messages/count_tokens", ROUTE_FREE, 32 * MB},
    {"POST", "/v1/messages/cache_touch", ROUTE_FREE, 32 * MB},
    {"POST", "/v1/messages/batches", ROUTE_BATCH, 256 * MB},
    {"POST", "/v1/messages/batches/b_1/cancel", ROUTE_FREE, 32 * MB},
    {"GET", "/v1/messages/batches/b_1/results", ROUTE_FREE, 32 * MB},
    {"DELETE", "/v1/messages/batches/b_1", ROUTE_FREE, 32 * MB},
    {"GET", "/v1/models", ROUTE_FREE, 32 * MB},
    {"GET", "/v1/models/claude-opus-5-5", ROUTE_FREE, 32 * MB},
    {"POST", "/v1/oauth/token", ROUTE_FREE, 32 * MB},
    {"POST", "/v1/new-thing", ROUTE_FREE, 32 * MB},
    {"BREW", "/v1/pots", ROUTE_FREE, 32 * MB},
    // Uploads.
    {"POST", "/v1/files", ROUTE_UPLOAD, 500 * MB},
    {"POST", "/v1/skills", ROUTE_UPLOAD, 500 * MB},
    {"POST", "/v1/skills/s_1/versions", ROUTE_UPLOAD, 500 * MB},
    {"GET", "/v1/files", ROUTE_FREE, 32 * MB},
    {"DELETE", "/v1/files/f_1", ROUTE_FREE, 32 * MB},
    // Elsewhere.
    {"POST", "/", ROUTE_UNKNOWN, 0},
    {"POST", "/v1", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/", ROUTE_UNKNOWN, 0},
    {"POST", "/V1/messages", ROUTE_UNKNOWN, 0},
    {"POST", "/v2/messages", ROUTE_UNKNOWN, 0},
    {"POST", "//v1/messages", ROUTE_UNKNOWN, 0},
    {"OPTIONS", "*", ROUTE_UNKNOWN, 0},
    // Other names for what is billed.
    {"POST", "/v1/messages/", ROUTE_UNKNOWN, 0},
    {"POST", "/v1//messages", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/./messages", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/messages/.", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/files/../messages", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/x/..", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/%6dessages", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/x%2f..%2fmessages", ROUTE_UNKNOWN, 0},
    {"Post", "/v1//messages", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/skills/../messages", ROUTE_UNKNOWN, 0},
    // And for what is another job's.
    {"GET", "/v1/%66iles/f_1", ROUTE_UNKNOWN, 0},
    {"GET", "/v1/files//f_1", ROUTE_UNKNOWN, 0},
    {"DELETE", "/v1/models/../files/f_1", ROUTE_UNKNOWN, 0},
    {"GET", "/v1/files/", ROUTE_UNKNOWN, 0},
    {"POST", "/v1/a.b/...", ROUTE_FREE, 32 * MB},
};

START_TEST(request_is_told_by_method_and_path)
{
    struct route route = route_find(slice_of(requests[_i].method), slice_of(requests[_i].path));
    ck_assert_msg(route.kind == requests[_i].kind, "%s %s: kind %d, not %d", requests[_i].method,
                  requests[_i].path, route.kind, requests[_i].kind);
    ck_assert_int_eq(route.body_bytes_max, requests[_i].body_bytes_max);
}
END_TEST

static const struct {
    const char *method, *path;
    enum route_object object;
    enum route_answer answer;
    const char *id;
} objects[] = {
    {"POST", "/v1/messages/batches", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_CREATED, NULL},
    {"GET", "/v1/messages/batches", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_LIST, NULL},
    {"GET", "/v1/messages/batches/b_1", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, "b_1"},
    {"DELETE", "/v1/messages/batches/b_1", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, "b_1"},
    {"POST", "/v1/messages/batches/b_1/cancel", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, "b_1"},
    {"GET", "/v1/messages/batches/b_1/results", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_STREAMS, "b_1"},
    {"GET", "/v1/messages/batches/b_1/results/x", ROUTE_OBJECT_BATCH, ROUTE_ANSWER_OBJECT, "b_1"},
    {"POST", "/v1/files", ROUTE_OBJECT_FILE, ROUTE_ANSWER_CREATED, NULL},
    {"GET", "/v1/files", ROUTE_OBJECT_FILE, ROUTE_ANSWER_LIST, NULL},
    {"GET", "/v1/files/f_1", ROUTE_OBJECT_FILE, ROUTE_ANSWER_STREAMS, "f_1"},
    {"GET", "/v1/files/f_1/content", ROUTE_OBJECT_FILE, ROUTE_ANSWER_STREAMS, "f_1"},
    {"DELETE", "/v1/files/f_1", ROUTE_OBJECT_FILE, ROUTE_ANSWER_STREAMS, "f_1"},
    {"BREW", "/v1/files/f_1", ROUTE_OBJECT_FILE, ROUTE_ANSWER_STREAMS, "f_1"},
    {"POST", "/v1/messages", ROUTE_NO_OBJECT, ROUTE_ANSWER_STREAMS, NULL},
    {"GET", "/v1/filesystems/f_1", ROUTE_NO_OBJECT, ROUTE_ANSWER_STREAMS, NULL},
    {"GET", "/v1/messages/batchesque", ROUTE_NO_OBJECT, ROUTE_ANSWER_STREAMS, NULL},
};

START_TEST(object_is_told_by_its_path)
{
    struct slice path = slice_of(objects[_i].path);
    struct route route = route_find(slice_of(objects[_i].method), path);
    ck_assert_int_eq(route.object, objects[_i].object);
    ck_assert_int_eq(route.answer, objects[_i].answer);
    struct slice id = route_object_id(route.object, path);
    if (objects[_i].id == NULL)
        ck_assert_ptr_null(id.bytes);
    else
        ck_assert(slice_is(id, objects[_i].id));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *cases = tcase_create("route");
    tcase_add_loop_test(cases, request_is_told_by_method_and_path, 0,
                        sizeof(requests) / sizeof(requests[0]));
    tcase_add_loop_test(cases, object_is_told_by_its_path, 0, sizeof(objects) / sizeof(objects[0]));
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
