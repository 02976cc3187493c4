/* Options of TCP sockets, and addresses as text. */
#include "net/tcp_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void options_are_set(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_true(fd >= 0);
	tcp_set_options(fd, 0);
	assert_true(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	tcp_set_options(fd, 60);
	assert_true(option(fd, SOL_SOCKET, SO_KEEPALIVE) != 0);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 20);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPCNT), 3);
	tcp_set_options(fd, 2);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 1);
	(void)close(fd);
}

static void addresses_are_texts(void **state)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&sa;
	char text[TCP_IP_TEXT_MAX] = "before";

	(void)state;
	sa.ss_family = AF_UNIX;
	tcp_ip_text(&sa, text);
	assert_string_equal(text, "");
	sa.ss_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, "10.1.2.3", &in->sin_addr), 1);
	tcp_ip_text(&sa, text);
	assert_string_equal(text, "10.1.2.3");
	memset(&sa, 0, sizeof sa);
	sa.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, "fe80::1:2", &in6->sin6_addr), 1);
	tcp_ip_text(&sa, text);
	assert_string_equal(text, "fe80::1:2");
}

static void a_source_address_is_bound(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof sa;
	char text[TCP_IP_TEXT_MAX];

	(void)state;
	assert_true(fd >= 0);
	assert_true(tcp_bind_source(fd, "", AF_INET));
	assert_true(tcp_bind_source(fd, "::1", AF_INET)); /* of the other family */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	tcp_ip_text(&sa, text);
	assert_string_equal(text, "0.0.0.0");
	assert_false(tcp_bind_source(fd, "192.0.2.1", AF_INET)); /* nobody's here */
	assert_true(tcp_bind_source(fd, "127.0.0.9", AF_INET));
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	tcp_ip_text(&sa, text);
	assert_string_equal(text, "127.0.0.9");
	(void)close(fd);
	assert_int_equal(tcp_parse_addr("localhost", 1, &sa), 0);
	assert_int_equal(tcp_parse_addr("::1", 1, &sa), sizeof(struct sockaddr_in6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(options_are_set),
	    cmocka_unit_test(addresses_are_texts),
	    cmocka_unit_test(a_source_address_is_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
