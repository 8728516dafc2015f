// The answer of --bench: one stream of 40 events and about 5 KB in a single write, or one message.

#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

#define DELTA                                                                                      \
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"             \
    "\"delta\":{\"type\":\"text_delta\",\"text\":\"measured \"}}\n\n"
#define FIVE_DELTAS DELTA DELTA DELTA DELTA DELTA
#define USAGE                                                                                      \
    "\"usage\":{\"input_tokens\":500,\"cache_creation_input_tokens\":0,"                           \
    "\"cache_read_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,"           \
    "\"ephemeral_1h_input_tokens\":0},\"output_tokens\":"
#define MESSAGE                                                                                    \
    "{\"id\":\"msg_bench\",\"type\":\"message\",\"role\":\"assistant\","                           \
    "\"model\":\"claude-haiku-4-5\",\"stop_sequence\":null,"

// 34 deltas and the six events around them.
static const char stream_events[] =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":" MESSAGE
    "\"content\":[],\"stop_reason\":null," USAGE "2,\"service_tier\":\"standard\","
    "\"inference_geo\":\"global\",\"speed\":\"standard\"}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
    "event: ping\ndata: {\"type\":\"ping\"}\n\n" FIVE_DELTAS FIVE_DELTAS FIVE_DELTAS FIVE_DELTAS
        FIVE_DELTAS FIVE_DELTAS DELTA DELTA DELTA DELTA
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
    "\"end_turn\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":500,"
    "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":80}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

static const char whole_message[] =
    MESSAGE "\"content\":[{\"type\":\"text\",\"text\":\"measured measured measured\"}],"
            "\"stop_reason\":\"end_turn\"," USAGE "80,\"service_tier\":\"standard\","
            "\"inference_geo\":\"global\",\"speed\":\"standard\"}}";

#define HEAD                                                                                       \
    "HTTP/1.1 200 OK\r\nrequest-id: req_bench\r\n"                                                 \
    "anthropic-organization-id: bench\r\nconnection: keep-alive\r\n"

void fake_bench_init(struct fake *fake)
{
    int streamed = asprintf(&fake->bench_answers[true],
                            HEAD "content-type: text/event-stream; charset=utf-8\r\n"
                                 "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
                                 "%zx\r\n%s\r\n0\r\n\r\n",
                            sizeof(stream_events) - 1, stream_events);
    int whole = asprintf(&fake->bench_answers[false],
                         HEAD "content-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                         sizeof(whole_message) - 1, whole_message);
    if (streamed < 0 || whole < 0)
        abort();
}
