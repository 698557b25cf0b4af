from pathlib import Path

import pytest

from featviz.base.errors import FeatvizError
from featviz.studio.guard import RateLimit, allowed_hosts, is_loopback
from featviz.studio.problems import StudioError
from featviz.studio.server import check_token, choose_token, page_address, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_on_this_machine_alone_no_token_is_needed(host: str) -> None:
    assert is_loopback(host)
    check_token(host, "")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", ""])
def test_where_others_come_in_a_token_is_needed(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(FeatvizError, match="--token"):
        check_token(host, "")
    with pytest.raises(FeatvizError, match="8 or more"):
        check_token(host, "short")
    check_token(host, "long enough")


def test_a_token_comes_from_the_nearest_place_that_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("FEATVIZ_TOKEN", raising=False)
    file = tmp_path / "token"
    file.write_text("from the file\nnot this\n")
    own = choose_token(None, None)
    check_token("0.0.0.0", own)
    assert choose_token(None, None) == own and len(own) >= 24
    monkeypatch.setenv("FEATVIZ_TOKEN", "from the environment")
    assert choose_token(None, None) == "from the environment"
    assert choose_token(None, file) == "from the file"
    assert choose_token("given", file) == "given"
    assert choose_token("", file) == ""
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(FeatvizError, match="holds no token"):
        choose_token(None, file)


def test_only_the_names_of_this_server_are_allowed() -> None:
    here = allowed_hosts("127.0.0.1", 8512)
    assert {"127.0.0.1:8512", "localhost:8512", "[::1]:8512"} == here
    assert allowed_hosts("192.168.1.7", 80) == {"192.168.1.7:80", "192.168.1.7"}
    everywhere = allowed_hosts("0.0.0.0", 8512)
    assert here < everywhere and "evil.example:8512" not in everywhere
    named = allowed_hosts("127.0.0.1", 8512, ["Draw.example.org", "other:99"])
    assert {"draw.example.org", "draw.example.org:8512", "other:99"} <= named


def test_the_page_s_address_holds_the_token_where_servers_do_not_see_it() -> None:
    assert page_address("0.0.0.0", 8512, "a b&c/") == "http://127.0.0.1:8512/#token=a%20b%26c%2F"
    assert page_address("::1", 1, "") == "http://[::1]:1/"


def test_a_share_comes_back_with_time_and_is_one_s_own() -> None:
    limit = RateLimit(rate=0.01, burst=3)
    for _ in range(3):
        limit.take("me")
    with pytest.raises(StudioError) as caught:
        limit.take("me")
    limit.take("you")
    assert 0 < caught.value.details["retry_after"] <= 100
    # As if the time had passed.
    limit._buckets["me"].time -= 101
    limit.take("me")
    with pytest.raises(StudioError):
        limit.take("me")


def test_limits_forget_the_longest_unseen_so_that_memory_is_bounded() -> None:
    limit = RateLimit(rate=1, burst=1, keys=10)
    for number in range(1000):
        limit.take(str(number))
    assert len(limit._buckets) == 10


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_there_is_not_is_refused_and_no_other_taken_for_it(port) -> None:
    with pytest.raises(FeatvizError, match=rf"port {port} is none; expected 0 to 65535"):
        serve([], "127.0.0.1", port, None, "", None, [], pytest.fail)
