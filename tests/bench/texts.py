"""The texts of the visitors: two thirds Chinese, with the lengths of real messages of a bank's customers.

The lengths in characters have these percentiles. Chinese questions: p50 13, p90 19 to 27, p99 42. English messages: p50
12, p90 43, p99 86. tests/bench/test_bench.py checks this.
"""

CHINESE = [
    "在吗？",
    "你好",
    "好的，谢谢",
    "我的卡被吞了",
    "什么时候能到账？",
    "手机银行登不上去",
    "转账一直显示处理中",
    "怎么修改预留手机号？",
    "请问周末营业部开门吗",
    "信用卡额度可以提高吗？",
    "我忘记了网银的登录密码",
    "大额存单现在利率是多少？",
    "短信验证码一直收不到啊",
    "房贷可以提前还一部分吗？",
    "请问开户需要带什么材料？",
    "刚才那笔钱不是我自己转的",
    "境外刷卡手续费怎么收的呢？",
    "我想把账单日改到每月五号",
    "卡片快到期了会自动换新卡吗",
    "为什么我的积分这个月没有到账",
    "请帮我查一下昨天下午的那笔汇款",
    "公积金贷款和商业贷款哪个更划算？",
    "对方说没收到，可是我这边已经扣款了",
    "我在外地，能不能在这边的网点办理挂失？",
    "上个月的年费能不能减免，我刷满六次了呀",
    "提示人脸识别失败，换了两部手机还是不行，怎么办？",
    "我妈妈年纪大了不会用手机，可以由我代她办理业务吗？",
    "我想问一下，上周五在城东支行办的那张卡到现在还没激活，是什么原因？",
    "昨天晚上十点多在便利店买东西，付了一次款，结果扣了我两次，请尽快帮我退回来，谢谢",
    "好",
    "嗯，我再试试看",
    "不是这张，是另外一张储蓄卡",
    "可以，请您帮我登记一下吧",
    "那我需要本人到柜台去吗？",
    "利息是按天计算还是按月？",
    "好的，我明白了，麻烦您了",
    "收到，我现在就去处理一下",
    "请问还需要等待多久呢？",
    "页面上写着系统繁忙，请稍后",
    "身份证过期了会影响转账吗？",
]

ENGLISH = [
    "Hello",
    "Yes please",
    "Thank you!",
    "OK, got it",
    "Card lost",
    "It says error",
    "Not yet, no",
    "One moment",
    "Is it free?",
    "How long?",
    "My app crashed",
    "I forgot my PIN",
    "Which branch?",
    "Where do I sign?",
    "The second one",
    "Can I raise my card limit?",
    "I was charged twice last night.",
    "Why was my card declined abroad yesterday?",
    "I have not received my new card yet, can you check?",
    "I sent money to the wrong account this morning and need to know if it can be stopped.",
]

# The order is two Chinese texts, one English, and so on, so that every part of the load is alike.
TEXTS = [text for n, english in enumerate(ENGLISH) for text in (*CHINESE[2 * n : 2 * n + 2], english)]
