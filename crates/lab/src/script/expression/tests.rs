//! What code in scripts may say, and what becomes of it.

use super::*;

fn run(code: &str) -> Result<(), Problem> {
    Variables::default().run(code, &LinuxTcpInfo::default())
}

#[test]
fn precedence_is_pythons() {
    for holds in [
        "1 + 2 * 3 == 7",
        "2 ** 3 ** 2 == 512",
        "-2 ** 2 == -4",
        "(1 | 2 & 3) == 3 and 1 | 2 == 3",
        "7 // 2 == 3 and 7 / 2 == 3.5 and -7 // 2 == -4",
        "not 1 == 2 or 0",
        "1 < 2 <= 2 < 3",
        "3 in (1, 2, 3) and not 4 in [1]",
        "max(1, 3, 2) - min([4, 2]) + abs(-5) + len('ab') + int(1.9) == 9",
        "[1, 2, 3][-1] == 3",
        "0x20 & 32 == 32",
        "TCP_INFINITE_SSTHRESH == 0x7fffffff",
        "7 // -2 == -4 and -7 // -2 == 3 and 7 % -2 == -1 and -7 % 2 == 1 and 8 // -2 == -4",
        "2 ** -1 == 0.5 and (-2) ** -1 == -0.5",
        "7.5 % 2 == 1.5 and -7.5 % 2 == 0.5 and 7.5 % -2 == -0.5 and 7.5 // -2 == -4",
        "4 not in (1, 2, 3) and not 3 not in [3] and 'cub' in 'cubic' and 'reno' not in 'cubic'",
        "[1, 2] == [1.0, 2] and [1, 2] < [1, 3] and [1] < [1, 0] and [1] + [2] == [1, 2] and [1] != 1",
        "(2 if 1 > 2 else 3) == 3 and 1 >> 200 == 0 and -1 >> 200 == -1",
        "round(2.5) == 2 and float(1) / 4 == .25 and bool([]) == False and 1. == 1",
        "(1 +\n 2 == 3)",
    ] {
        let code = format!("assert {holds}");
        assert_eq!(run(&code), Ok(()), "{holds}");
    }
}

#[test]
fn code_that_would_exhaust_the_stack_is_refused() {
    let too_deep = Err(Problem::Mistake("code that is nested deeper than 64 levels".into()));
    for opening in ["(", "[", "-", "not ", "2 ** ", "abs(", "a["] {
        assert_eq!(run(&format!("assert {}1", opening.repeat(120))), too_deep, "{opening}");
    }
    let too_long = Err(Problem::Beyond("a statement of more than 500 tokens in code".into()));
    assert_eq!(run(&format!("assert {}1", "(".repeat(100_000))), too_long);
    assert_eq!(run(&format!("assert {}1", "1 + ".repeat(100_000))), too_long);
    assert_eq!(run(&format!("assert {}1 == 201", "1 + ".repeat(200))), Ok(()));
    assert_eq!(run(&format!("assert {}1{} == 1", "(".repeat(60), ")".repeat(60))), Ok(()));
}

#[test]
fn variables_that_would_exhaust_memory_or_the_stack_are_refused() {
    let too_much = Err(Problem::Beyond("variables of more than 65536 octets, with `a`".into()));
    assert_eq!(run(&format!("a = 'x'\n{}", "a = a + a\n".repeat(18))), too_much);
    assert_eq!(run(&format!("a = 1\n{}", "a = [a, a]\n".repeat(18))), too_much);
    let too_deep = Err(Problem::Beyond("a list nested deeper than 64 levels in `a`".into()));
    assert_eq!(run(&format!("a = 1\n{}", "a = [a]\n".repeat(80))), too_deep);
    let copies = (0..1000).map(|copy| format!("b{copy} = a\n")).collect::<Vec<_>>().concat();
    let many = run(&format!("a = 'x'\n{}{copies}", "a = a + a\n".repeat(10)));
    assert_eq!(many, Err(Problem::Beyond("variables of more than 65536 octets, with `b60`".into())));
    assert_eq!(run(&format!("a = 1\n{}assert len(a) == 1", "a = [a]\n".repeat(60))), Ok(()));
    assert_eq!(run(&format!("a = 'x'\n{}assert len(a) == 32768", "a = a + a\n".repeat(15))), Ok(()));
}

#[test]
fn a_number_too_large_is_told_and_not_cut_off() {
    let least = "least = -2 ** 126 * 2\n";
    for (code, what) in [
        ("assert 1 << 100 << 100", "1267650600228229401496703205376 << 100 in code"),
        ("assert 1 << 127", "1 << 127 in code"),
        ("assert 2 ** 127", "2 ** 127 in code"),
        ("assert -least", "--170141183460469231731687303715884105728 in code"),
        ("assert least // -1", "-170141183460469231731687303715884105728 // -1 in code"),
        ("assert abs(least)", "the call of abs in code"),
    ] {
        let beyond = Problem::Beyond(format!("{what}, which takes more than 128 bits"));
        assert_eq!(run(&format!("{least}{code}")), Err(beyond), "{code}");
    }
    assert_eq!(run(&format!("{least}assert 3 << 100 == 3 * 2 ** 100 and -1 << 126 == least // 2")), Ok(()));
}

#[test]
fn variables_last_from_one_piece_of_code_to_the_next() {
    let mut variables = Variables::default();
    let info = LinuxTcpInfo::default();
    variables.run("a = 2; b = [a,\\\n 3]", &info).unwrap();
    assert_eq!(variables.run("assert b[1] == 3\nassert a == 2 # so\n", &info), Ok(()));
}

#[test]
fn a_failure_tells_the_condition_and_what_its_names_stand_for() {
    let failed = run("cwnd = 9\nassert cwnd == 10, 'cwnd %d' % cwnd").unwrap_err();
    let expected = Problem::Failed { assertion: "cwnd == 10, cwnd %d: 9".into(), values: "cwnd = 9".into() };
    assert_eq!(failed, expected);
}

#[test]
fn what_is_beyond_it_is_told() {
    assert_eq!(run("def f(): pass"), Err(Problem::Beyond("a statement that begins with `def`".into())));
    assert_eq!(
        run("assert tcpi_rehash == 1"),
        Err(Problem::Beyond("tcpi_rehash, which this stack doesn't tell".into()))
    );
}

#[test]
fn a_variable_is_changed_in_place() {
    // The slash is escaped: the two before an equals sign would be taken for a citation of a requirement.
    assert_eq!(run("a = 7; a += 1; a /\u{2f}= 3; a **= 2\nassert a == 4"), Ok(()));
}

#[test]
fn right_python_that_is_too_much_is_no_mistake() {
    for (code, what) in [
        ("assert tcpi_rtt.real == 1", "`.` in code"),
        ("assert [1, 2][0:1]", "`:` in code"),
        ("assert {1: 2}", "`{` in code"),
        ("assert a is None", "`is` in code"),
        ("f = lambda x: x", "`lambda` in code"),
        ("assert [x for x in (1, 2)]", "`for` in code"),
        ("assert 1, f'cwnd {1}'", "`f'cwnd {1}'` in code"),
        ("assert sum([1, 2]) == 3", "sum() in code"),
        ("assert 'ab' * 2 == 'abab'", "ab * 2 in code"),
        ("assert (-8) ** .5", "-8 ** 0.5 in code, a complex number"),
    ] {
        assert_eq!(run(code), Err(Problem::Beyond(what.into())), "{code}");
    }
}

#[test]
fn mistakes_are_told_apart_from_what_is_beyond() {
    for (code, what) in [
        ("assert tcpi_nonsense == 1", "`tcpi_nonsense` is no name that code knows"),
        ("assert tcpi_snd_cwnd = 10", "`=` in code where a statement should end"),
        ("asert 1 == 1", "a statement that begins with `asert`"),
        ("assert (1 == 1", "`` in code where `,` should stand"),
        ("assert 1 == ", "code that ends too early"),
        ("assert 1 ? 2", "`?` in code"),
        ("assert 1 // 0", "1 // 0 in code"),
        ("assert 1 % 0.0", "1 % 0.0 in code"),
        ("assert 0 ** -1", "0 ** -1 in code"),
        ("assert 1 << -1", "1 << -1 in code"),
        ("assert 1 not 2", "`2` in code where `in` should stand"),
    ] {
        assert_eq!(run(code), Err(Problem::Mistake(what.into())), "{code}");
    }
}
